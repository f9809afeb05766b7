/** Far more than commit between a commit's record in the WAL and the moment at which other sessions see it. */
const KEPT = 4096;

/**
 * The transactions that a lane has read last. One that is in the stream may not be visible at the source yet: a row that is read again must
 * wait for those before it, since their changes will not come a second time.
 */
export class RecentTransactions {
  readonly #kept: number[] = [];
  #next = 0;
  #last: number | undefined;

  add(xid: number): void {
    if (xid === this.#last) return;
    this.#last = xid;
    this.#kept[this.#next] = xid;
    this.#next = (this.#next + 1) % KEPT;
  }

  all(): ReadonlySet<number> {
    return new Set(this.#kept);
  }
}
