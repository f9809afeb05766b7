/**
 * Reduces a run of changes of one target table to its **net effect**: at most one entry per key. Pure.
 *
 * A later full image replaces whatever came before; an image that lacks unchanged TOAST values lies over the one before and takes
 * from it what it lacks. An entry whose chain ends without a full image is a `patch`: what it lacks is at the target, in the row of its key.
 * Where that row is another one, removed within the run, or the row stood under another key, nothing at the target can complete the
 * image: then the entry is a `reread`. A row that somebody asked to be read again is a `refresh`, until a full image replaces it.
 */

/** Where the bytes of one row image are: read again from the message when the statement is built. */
export type Image<Message, Schema> = {
  readonly message: Message;
  readonly schema: Schema;
  /** Which of the envelope's two images. */
  readonly side: "before" | "after";
  /** Source columns that this image lacks. */
  readonly lacks: ReadonlySet<string> | undefined;
  /** The image from which the lacking columns come. */
  readonly under: Image<Message, Schema> | undefined;
};

export type Entry<Message, Schema> =
  | { readonly kind: "upsert"; readonly image: Image<Message, Schema> }
  /** The row of this key is to be changed in all but `lacking`. */
  | { readonly kind: "patch"; readonly image: Image<Message, Schema>; readonly lacking: ReadonlySet<string> }
  /** Whatever the target has under this key goes, and the row is read again from the source. */
  | { readonly kind: "reread"; readonly image: Image<Message, Schema>; readonly lacking: ReadonlySet<string> }
  /**
   * The row is read again from the source: what is there is written, what is not there goes. `replaces`: the run has changed the row before, so
   * whatever the target has under this key goes, be it another unit's.
   */
  | {
      readonly kind: "refresh";
      readonly image: Image<Message, Schema>;
      readonly lacking: ReadonlySet<string>;
      readonly replaces: boolean;
    }
  | { readonly kind: "delete"; readonly image: Image<Message, Schema> };

const NOTHING: ReadonlySet<string> = new Set();

export class NetEffect<Message, Schema> {
  /** Units all of whose rows that are there before the entries are to be removed first. */
  readonly truncated = new Set<string>();
  readonly entries = new Map<string, Entry<Message, Schema>>();
  /** Rows of the run that another unit's row has followed under the same key: the target's may still be the earlier unit's. */
  readonly displaced: Image<Message, Schema>[] = [];
  readonly #unitOf: (message: Message) => string;
  readonly #meetsOthers: boolean;

  /** `meetsOthers`: a key may lead to one unit's row and then to another's, and the target is to know which was meant. */
  constructor(unitOf: (message: Message) => string, meetsOthers: boolean) {
    this.#unitOf = unitOf;
    this.#meetsOthers = meetsOthers;
  }

  /** `lacks`: the columns that the message does not carry, undefined when it carries all. */
  write(key: string, message: Message, schema: Schema, lacks: ReadonlySet<string> | undefined): void {
    if (lacks === undefined) {
      this.#put(key, { kind: "upsert", image: { message, schema, side: "after", lacks, under: undefined } });
      return;
    }
    this.#put(key, over(this.entries.get(key), message, schema, lacks));
  }

  remove(key: string, message: Message, schema: Schema): void {
    this.#put(key, { kind: "delete", image: { message, schema, side: "before", lacks: undefined, under: undefined } });
  }

  /**
   * Whatever is known of the unit's row so far gives way to what the source shows. Where the run has another unit's row under this key, the
   * request is let go: it is about a row that has changed hands, and that one's changes must not be lost.
   */
  refresh(key: string, message: Message, schema: Schema): void {
    const earlier = this.entries.get(key);
    if (earlier !== undefined && this.#unitOf(earlier.image.message) !== this.#unitOf(message)) return;
    const image = { message, schema, side: "after" as const, lacks: undefined, under: undefined };
    const replaces = earlier !== undefined && (earlier.kind !== "refresh" || earlier.replaces);
    this.#put(key, { kind: "refresh", image, lacking: NOTHING, replaces });
  }

  /** What the message lacks is neither at the target nor in what came before: the row is read again from the source. */
  reread(key: string, message: Message, schema: Schema, lacks: ReadonlySet<string>): void {
    const image = { message, schema, side: "after" as const, lacks, under: undefined };
    this.#put(key, { kind: "reread", image, lacking: lacks });
  }

  /** A change of key: the row moves, and what the new image lacks comes from the row under its old key. */
  move(from: string, to: string, message: Message, schema: Schema, lacks: ReadonlySet<string> | undefined): void {
    const earlier = this.entries.get(from);
    this.remove(from, message, schema);
    if (lacks === undefined) this.write(to, message, schema, lacks);
    else {
      const moved = over(earlier, message, schema, lacks);
      // Whatever the target has under the new key is another row, one that this run has taken away.
      if (moved.kind === "refresh") this.#put(to, { ...moved, replaces: true });
      else this.#put(to, moved.kind === "patch" ? { ...moved, kind: "reread" } : moved);
    }
  }

  /**
   * Entries of other units stay. A row that was written in this run becomes a delete: the one that the target still has under its key may have
   * been another unit's.
   */
  truncate(units: Iterable<string>): void {
    const emptied = new Set(units);
    for (const unit of emptied) this.truncated.add(unit);
    // A row that is read again afterwards is right in any case.
    for (const [key, { kind, image }] of this.entries)
      if (kind !== "refresh" && emptied.has(this.#unitOf(image.message))) this.entries.set(key, { kind: "delete", image });
  }

  #put(key: string, entry: Entry<Message, Schema>): void {
    const earlier = this.#meetsOthers ? this.entries.get(key) : undefined;
    if (earlier !== undefined && this.#unitOf(earlier.image.message) !== this.#unitOf(entry.image.message))
      this.displaced.push(earlier.image);
    this.entries.set(key, entry);
  }
}

/** The image of `message` over what is known of the row so far. */
function over<Message, Schema>(
  earlier: Entry<Message, Schema> | undefined,
  message: Message,
  schema: Schema,
  lacks: ReadonlySet<string>,
): Exclude<Entry<Message, Schema>, { kind: "delete" }> {
  if (earlier === undefined || earlier.kind === "delete") {
    const image = { message, schema, side: "after" as const, lacks, under: undefined };
    return { kind: earlier === undefined ? "patch" : "reread", image, lacking: lacks };
  }
  // What the message lacks is read from the source with all the rest.
  if (earlier.kind === "refresh") {
    const image = { message, schema, side: "after" as const, lacks: undefined, under: undefined };
    return { ...earlier, image };
  }
  const image = { message, schema, side: "after" as const, lacks, under: earlier.image };
  if (earlier.kind === "upsert") return { kind: "upsert", image };
  const lacking = intersection(lacks, earlier.lacking);
  return lacking.size === 0 ? { kind: "upsert", image } : { kind: earlier.kind, image, lacking };
}

function intersection(a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...a].filter((name) => b.has(name)));
}
