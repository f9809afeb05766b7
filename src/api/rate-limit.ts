/** A bucket of tokens for each key: `perSecond` on the long run, `burst` at once. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #most: number;
  /** The one that was asked for longest ago comes first. */
  readonly #buckets = new Map<string, { left: number; at: number }>();

  /** `most`: keys that are remembered. One that is forgotten begins with a full bucket, which it would have by then. */
  constructor({ perSecond, burst, most = 10_000 }: { perSecond: number; burst: number; most?: number }) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#most = most;
  }

  /** Resolves to the seconds to wait; 0: it may go on. `nowMs` never goes back. */
  take(key: string, nowMs: number): number {
    const bucket = this.#buckets.get(key) ?? { left: this.#burst, at: nowMs };
    const left = Math.min(this.#burst, bucket.left + ((nowMs - bucket.at) / 1_000) * this.#perSecond);
    const isGranted = left >= 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { left: isGranted ? left - 1 : left, at: nowMs });
    for (const [oldest] of this.#buckets) {
      if (this.#buckets.size <= this.#most) break;
      this.#buckets.delete(oldest);
    }
    return isGranted ? 0 : Math.ceil((1 - left) / this.#perSecond);
  }
}

/** Whoever has one address of IPv6 has a /64 of them. */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.toLowerCase().split("::");
  const [left, right] = [head === "" ? [] : head.split(":"), tail === undefined || tail === "" ? [] : tail.split(":")];
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":");
}
