import { LARGE_ROW, type RowSink, type RowSplitter, TenantNames, Window } from "./row-splitter.ts";

const NEWLINE = 0x0a;
const TAB = 0x09;

/** Text format (manual, COPY): a raw newline only ever ends a row, a raw tab a column; inside a value both are escaped. */
export class TextSplitter implements RowSplitter {
  readonly #sink: RowSink;
  readonly #window = new Window();
  /** The tenant of a large row of which a part was handed on. */
  #open: string | undefined;
  readonly #tenants = new TenantNames(unescaped);

  constructor(sink: RowSink) {
    this.#sink = sink;
  }

  push(piece: Buffer): void {
    const bytes = this.#window.add(piece);
    let from = 0;
    for (;;) {
      const newline = bytes.indexOf(NEWLINE, from);
      if (newline < 0) break;
      this.#hand(bytes, from, newline + 1, true);
      from = newline + 1;
    }
    if (bytes.length - from > LARGE_ROW || (this.#open !== undefined && from < bytes.length)) {
      this.#hand(bytes, from, bytes.length, false);
      from = bytes.length;
    }
    this.#window.drop(from);
  }

  end(): void {
    if (!this.#window.isEmpty || this.#open !== undefined) throw new RangeError("the COPY stream ended inside a row");
  }

  #hand(bytes: Buffer, from: number, to: number, end: boolean): void {
    if (this.#open !== undefined) {
      this.#sink.row(this.#open, bytes, from, to, end);
      if (end) this.#open = undefined;
      return;
    }
    const tab = bytes.indexOf(TAB, from);
    const tenant = this.#tenants.name(bytes, from, tab);
    this.#sink.row(tenant, bytes, tab + 1, to, end);
    if (!end) this.#open = tenant;
  }
}

const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

function unescaped(text: string): string {
  return text.includes("\\") ? text.replaceAll(/\\(.)/gs, (_, letter: string) => ESCAPES[letter] ?? letter) : text;
}
