/** What passes through a proxy, told apart message by message. */

export type Direction = "to-server" | "to-client";

/** `kind`: the one-letter tag of a Postgres message, the API of a Kafka request or of the answer to it; empty for bytes without a frame. */
export type Message = { readonly direction: Direction; readonly kind: string; readonly bytes: Buffer };

/** One connection's two directions. */
export interface Framing {
  /** The messages that are complete with these bytes. */
  push(direction: Direction, bytes: Buffer): Message[];
  /** Who speaks, in the protocol's own words, once that is known. */
  readonly client: string;
}

export type Protocol = () => Framing;

/** Bytes as they come: for HTTP. */
export const unframed: Protocol = () => ({
  client: "",
  push: (direction, bytes) => [{ direction, kind: "", bytes }],
});

/** Collects bytes until `lengthOf` what is there says that a message is complete; undefined: its head is not there yet. */
class Frames {
  #rest: Buffer = Buffer.alloc(0);

  take(bytes: Buffer, lengthOf: (rest: Buffer) => number | undefined): Buffer[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const frames: Buffer[] = [];
    for (;;) {
      const length = lengthOf(this.#rest);
      if (length === undefined || this.#rest.length < length) return frames;
      frames.push(this.#rest.subarray(0, length));
      this.#rest = this.#rest.subarray(length);
    }
  }
}

/** Postgres' messages (manual, "Message Formats"). `client` is the application_name of the startup message. */
export const postgres: Protocol = () => {
  const frames = { "to-server": new Frames(), "to-client": new Frames() };
  let isStarted = false;
  let client = "";
  return {
    get client() {
      return client;
    },
    push(direction, bytes) {
      const isTagged = () => direction === "to-client" || isStarted;
      return frames[direction]
        .take(bytes, (rest) => {
          const head = isTagged() ? 1 : 0;
          return rest.length < head + 4 ? undefined : head + rest.readInt32BE(head);
        })
        .map((frame) => {
          if (isTagged()) return { direction, kind: String.fromCharCode(frame[0] ?? 0), bytes: frame };
          isStarted = true;
          client = /application_name\0([^\0]*)\0/.exec(frame.toString("utf8"))?.[1] ?? "";
          return { direction, kind: "startup", bytes: frame };
        });
    },
  };
};

/** Kafka's APIs that the tests speak of (protocol guide, "Api Keys"). */
const APIS: Readonly<Record<number, string>> = {
  0: "Produce",
  1: "Fetch",
  3: "Metadata",
  10: "FindCoordinator",
  11: "JoinGroup",
};
/** Answers in which a broker says where brokers are. */
const WITH_ADDRESSES = new Set(["Metadata", "FindCoordinator"]);

/**
 * Kafka's requests and answers. A broker tells its clients where it is, so its port is replaced in those answers; the host stays as it is, and
 * with it every length.
 */
export function kafka(broker: { readonly host: string; readonly port: number }, seenAs: number): Protocol {
  const [told, instead] = [broker.port, seenAs].map((port) => {
    const number = Buffer.alloc(4);
    number.writeInt32BE(port);
    return Buffer.concat([Buffer.from(broker.host), number]);
  });
  return () => {
    const frames = { "to-server": new Frames(), "to-client": new Frames() };
    /** Correlation id → API. */
    const asked = new Map<number, string>();
    return {
      client: "",
      push: (direction, bytes) =>
        frames[direction]
          .take(bytes, (rest) => (rest.length < 4 ? undefined : 4 + rest.readInt32BE(0)))
          .map((frame) => {
            if (direction === "to-server") {
              const kind = APIS[frame.readInt16BE(4)] ?? String(frame.readInt16BE(4));
              asked.set(frame.readInt32BE(8), kind);
              return { direction, kind, bytes: frame };
            }
            const id = frame.readInt32BE(4);
            const kind = asked.get(id) ?? "";
            asked.delete(id);
            return { direction, kind, bytes: WITH_ADDRESSES.has(kind) ? replaced(frame, told, instead) : frame };
          }),
    };
  };
}

function replaced(frame: Buffer, told: Buffer | undefined, instead: Buffer | undefined): Buffer {
  if (told === undefined || instead === undefined) return frame;
  const copy = Buffer.from(frame);
  for (let at = copy.indexOf(told); at >= 0; at = copy.indexOf(told, at + 1)) instead.copy(copy, at);
  return copy;
}
