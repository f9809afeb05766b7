/** One COPY stream of many tenants' rows, into each tenant's own table. */

import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { Session } from "../ports.ts";
import { type Batch, Batches, piecesOf } from "./batches.ts";
import { BINARY_END, BINARY_START, BinarySplitter } from "./binary-splitter.ts";
import type { CopyFormat } from "./chunk-query.ts";
import { TextSplitter } from "./text-splitter.ts";

/** Held per worker before it is written: the bound of its memory, and with a thousand tenants still hundreds of rows a COPY. */
const HELD_BYTES = 16 * 1024 * 1024;

/** `copyIn` is the COPY statement of a tenant's table. Resolves to the rows written, by tenant. */
export async function demultiplex(
  rows: Readable,
  target: Session,
  format: CopyFormat,
  copyIn: (tenant: string) => string,
): Promise<Map<string, bigint>> {
  const batches = new Batches();
  const splitter = format === "binary" ? new BinarySplitter(batches) : new TextSplitter(batches);
  const writer = new TenantWriter(target, format, copyIn);
  for await (const piece of rows) {
    splitter.push(piece);
    if (batches.bytes >= HELD_BYTES || writer.isOpen) await writer.write(batches);
  }
  splitter.end();
  await writer.write(batches);
  return writer.written;
}

class TenantWriter {
  readonly written = new Map<string, bigint>();
  readonly #target: Session;
  readonly #format: CopyFormat;
  readonly #copyIn: (tenant: string) => string;
  /** The COPY that a large row goes through, part by part; until its end no other row can come. */
  #open: Copying | undefined;

  constructor(target: Session, format: CopyFormat, copyIn: (tenant: string) => string) {
    this.#target = target;
    this.#format = format;
    this.#copyIn = copyIn;
  }

  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /**
   * Writes the batches. A session has one COPY at a time, so the batch that goes on with a large row comes first, the one that ends in the
   * middle of one last; should both be the same batch, the others wait for the next call.
   */
  async write(batches: Batches): Promise<void> {
    const inOrder = [...batches.all].sort((a, b) => this.#turn(a) - this.#turn(b));
    for (const batch of inOrder) {
      this.#open ??= new Copying(this.#target.copyIn(this.#copyIn(batch.tenant)), this.#format, batch.tenant);
      await this.#open.write(batch);
      this.written.set(batch.tenant, (this.written.get(batch.tenant) ?? 0n) + batch.rows);
      if (batch.isOpen) return batches.release(batch);
      await this.#open.end();
      this.#open = undefined;
      batches.release(batch);
    }
  }

  #turn(batch: Batch): number {
    if (this.#open?.tenant === batch.tenant) return -1;
    return batch.isOpen ? 1 : 0;
  }
}

/** Enough to a write that the system calls do not count, little enough to be put together in memory. */
const WRITE_BYTES = 256 * 1024;

/** One COPY ... FROM STDIN. */
class Copying {
  readonly tenant: string;
  readonly #stream: Writable;
  readonly #done: Promise<void>;
  readonly #format: CopyFormat;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(stream: Writable, format: CopyFormat, tenant: string) {
    this.tenant = tenant;
    this.#stream = stream;
    this.#format = format;
    this.#done = finished(stream);
    // Awaited in end() or write(); until then an error must not count as unhandled.
    this.#done.catch(() => undefined);
    if (format === "binary") this.#add(BINARY_START);
  }

  async write(batch: Batch): Promise<void> {
    for (const piece of piecesOf(batch)) {
      this.#add(piece);
      if (this.#bytes >= WRITE_BYTES) await this.#flush();
    }
    // An open batch's blocks are used again before its end.
    if (batch.isOpen) await this.#flush();
  }

  async end(): Promise<void> {
    if (this.#format === "binary") this.#add(BINARY_END);
    this.#stream.end(Buffer.concat(this.#pieces));
    await this.#done;
  }

  #add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  async #flush(): Promise<void> {
    const joined = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    if (!this.#stream.write(joined)) await Promise.race([once(this.#stream, "drain"), this.#done]);
  }
}
