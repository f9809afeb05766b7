/**
 * Reduces a run of changes of one target table to its **net effect**: at most one entry per key. Pure.
 *
 * A later full image replaces whatever came before; an image that lacks unchanged TOAST values lies over the one before and takes
 * from it what it lacks. An entry whose chain ends without a full image is a `patch`: what it lacks is at the target.
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
  | { readonly kind: "patch"; readonly image: Image<Message, Schema>; readonly lacking: ReadonlySet<string> }
  | { readonly kind: "delete"; readonly image: Image<Message, Schema> };

export class NetEffect<Message, Schema> {
  /** Everything that was there before the entries is to be removed first. */
  truncated = false;
  readonly entries = new Map<string, Entry<Message, Schema>>();

  /** `lacks`: the columns that the message does not carry, undefined when it carries all. */
  write(key: string, message: Message, schema: Schema, lacks: ReadonlySet<string> | undefined): void {
    if (lacks === undefined) {
      this.entries.set(key, { kind: "upsert", image: { message, schema, side: "after", lacks, under: undefined } });
      return;
    }
    const earlier = this.entries.get(key);
    const under = earlier === undefined || earlier.kind === "delete" ? undefined : earlier.image;
    const image = { message, schema, side: "after" as const, lacks, under };
    const lacking = earlier === undefined || earlier.kind === "delete" ? lacks : earlier.kind === "upsert" ? undefined : intersection(lacks, earlier.lacking);
    this.entries.set(key, lacking === undefined || lacking.size === 0 ? { kind: "upsert", image } : { kind: "patch", image, lacking });
  }

  remove(key: string, message: Message, schema: Schema): void {
    this.entries.set(key, { kind: "delete", image: { message, schema, side: "before", lacks: undefined, under: undefined } });
  }

  /** A change of key: the row moves, and what the new image lacks comes from the row under its old key. */
  move(from: string, to: string, message: Message, schema: Schema, lacks: ReadonlySet<string> | undefined): void {
    const earlier = this.entries.get(from);
    this.remove(from, message, schema);
    this.entries.delete(to);
    if (lacks !== undefined && earlier !== undefined && earlier.kind !== "delete") this.entries.set(to, earlier);
    this.write(to, message, schema, lacks);
  }

  truncate(): void {
    this.entries.clear();
    this.truncated = true;
  }
}

function intersection(a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...a].filter((name) => b.has(name)));
}
