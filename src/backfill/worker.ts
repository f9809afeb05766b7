import { performance } from "node:perf_hooks";
import type { Sessions } from "../compare/index.ts";
import { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { tableText } from "../model/mapping.ts";
import { literal } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import type { ChunkSizes } from "../throttle/index.ts";
import { chunkQuery } from "./chunk-query.ts";
import { cutAt } from "./cut.ts";
import type { Context } from "./deps.ts";
import type { EpochHolder } from "./epoch.ts";
import { chunkFailure } from "./failures.ts";
import { bringChunk } from "./in-place.ts";
import { type Chunk, type Copied, cut, type Epoch, type Lease, lease, recordBrought, recordCopied } from "./ledger.ts";
import { ChunkDiffers, loadChunk } from "./load.ts";
import { loadChunkLater } from "./load-later.ts";
import { type EpochReader, openReader } from "./reader.ts";
import { readUnits, unitsOf } from "./units.ts";
import { rest } from "./waiting.ts";

/** Before rows that somebody holds are looked at again. */
const HELD_MS = 100;

/** What a worker has done: `nothing`, as there is no chunk that could be copied now. */
export type Step = "chunk" | "epoch" | "nothing";

/** Copies chunks, one after the other: a session on the target, and one on the source that reads under the wave's newest epoch. */
export class Worker {
  readonly #context: Context;
  readonly #sessions: Sessions;
  readonly #epochs: EpochHolder;
  readonly #sizes: ChunkSizes;
  readonly #target: Session;
  #reader: EpochReader | undefined;

  constructor(context: Context, sessions: Sessions, epochs: EpochHolder, sizes: ChunkSizes, target: Session) {
    this.#context = context;
    this.#sessions = sessions;
    this.#epochs = epochs;
    this.#sizes = sizes;
    this.#target = target;
  }

  async copyNext(signal: AbortSignal): Promise<Step> {
    await this.#target.query("BEGIN ISOLATION LEVEL READ COMMITTED");
    const leased = await lease(this.#target, this.#context.migration, this.#context.mapping);
    if (leased?.epoch !== undefined && leased.chunk.table.inPlace !== undefined)
      return this.#bring(leased.chunk, leased.epoch, signal);
    const reader = leased === undefined ? undefined : await this.#readerOf(leased);
    if (leased === undefined || leased.epoch === undefined || reader === undefined) {
      await this.#target.query("ROLLBACK");
      return leased === undefined ? "nothing" : this.#open(leased.chunk, leased.epoch, signal);
    }
    await this.#copy(await this.#cut(leased.chunk, reader), leased.epoch, reader);
    return "chunk";
  }

  async #open({ wave }: Chunk, after: Epoch | undefined, signal: AbortSignal): Promise<Step> {
    return (await this.#epochs.open(wave, after?.epoch, signal)) ? "epoch" : "nothing";
  }

  /** Lets go of the source's snapshot, which holds back its vacuum. */
  async release(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader !== undefined) await this.#sessions.close(reader.session);
  }

  /** As much of the chunk as fits the time that one is to take; the rest of it is a chunk of its own, once this one is committed. */
  async #cut(chunk: Chunk, reader: EpochReader): Promise<Chunk> {
    const leaf = reader.leaves.get(chunk.relation);
    const rows = this.#sizes.next(tableText(chunk.table.source), chunk.rows);
    const place = leaf === undefined ? undefined : cutAt(chunk, leaf.blocks, rows);
    return place === undefined ? chunk : cut(this.#target, this.#context.migration, chunk, place);
  }

  /** The place where a chunk becomes part of the target: rows, ledger and counts in one commit. */
  async #copy(chunk: Chunk, epoch: Epoch, reader: EpochReader): Promise<void> {
    const started = performance.now();
    const units = await this.#unitsOf(chunk);
    const copied = units.length === 0 ? NOTHING : await this.#load(chunk, epoch, reader, units);
    const tookMs = performance.now() - started;
    const { pace } = this.#context;
    if (chunk.blocks !== undefined && units.length > 0)
      this.#sizes.took(tableText(chunk.table.source), chunk.rows, tookMs, pace.now());
    await recordCopied(this.#target, this.#context.migration, chunk, epoch.epoch, copied, tookMs);
    await failpoint("chunk.commit.before");
    await this.#target.query("COMMIT");
    await failpoint("chunk.commit.after");
    this.#context.log.debug(
      {
        event: "chunk-copied",
        chunk: chunk.id,
        table: tableText(chunk.table.source),
        rows: copied.rows,
        leftOut: copied.leftOut,
        tookMs,
      },
      "copied a chunk",
    );
  }

  /** A chunk of a table in place: some of its rows, and the chunk itself with the last of them. It needs no snapshot. */
  async #bring(chunk: Chunk, epoch: Epoch, signal: AbortSignal): Promise<Step> {
    const { migration, log } = this.#context;
    const started = performance.now();
    const units = chunk.table.kind === "tenant" ? await this.#unitsOf(chunk) : undefined;
    await beginWriting(this.#target, migration);
    const brought = await bringChunk(this.#target, migration, chunk, units).catch((error: unknown) => {
      throw chunkFailure(error, chunk, this.#context.target);
    });
    const tookMs = performance.now() - started;
    if (brought === "rewritten") {
      await this.#target.query("ROLLBACK");
      return this.#open(chunk, epoch, signal);
    }
    await recordBrought(this.#target, migration, chunk, epoch.epoch, brought, tookMs);
    await failpoint("chunk.commit.before");
    await this.#target.query("COMMIT");
    await failpoint("chunk.commit.after");
    log.debug(
      { event: "chunk-brought", chunk: chunk.id, table: tableText(chunk.table.source), isDone: brought.isDone, tookMs },
      "brought rows in step",
    );
    // As long as it worked, it rests: the application's writes are the ones that count here.
    await rest(brought.byUnit.size === 0 && !brought.isDone ? HELD_MS : tookMs, signal);
    return "chunk";
  }

  async #load(chunk: Chunk, epoch: Epoch, reader: EpochReader, units: readonly string[]): Promise<Copied> {
    const { migration, mapping, facts, compare, target } = this.#context;
    const query = chunkQuery(chunk, chunk.table.kind === "tenant" ? units : undefined, reader.roots.has(chunk.relation), facts);
    const xid = await beginWriting(this.#target, migration);
    const load = { source: reader.session, target: this.#target, xid, mapping, table: chunk.table, query, units, compare };
    try {
      return epoch.isFirst ? await loadChunk(load) : await loadChunkLater(load);
    } catch (error) {
      throw error instanceof ChunkDiffers ? differs(chunk, error, target.place) : chunkFailure(error, chunk, target);
    }
  }

  /** A reader under the lease's epoch, or undefined when another epoch has to be opened. */
  async #readerOf({ chunk, epoch }: Lease): Promise<EpochReader | undefined> {
    if (epoch === undefined || epoch.ageMs > this.#context.tuning.epochAgeMs) return undefined;
    if (this.#reader?.epoch !== epoch.epoch) {
      await this.release();
      this.#reader = await openReader(this.#sessions, this.#context.source, this.#context.mapping, epoch);
    }
    // A rewrite between two epochs: the next one plans the relation anew.
    const isRewritten =
      this.#reader !== undefined &&
      chunk.blocks !== undefined &&
      this.#reader.leaves.get(chunk.relation)?.filenode !== chunk.filenode;
    return isRewritten ? undefined : this.#reader;
  }

  /** As they are now: a tenant may have left the wave since the chunk was planned (rollback). */
  async #unitsOf({ wave, table, tenant }: Chunk): Promise<readonly string[]> {
    const units = unitsOf(await readUnits(this.#target, this.#context.migration, wave), table);
    return tenant === undefined ? units : units.filter((unit) => unit === tenant);
  }
}

const NOTHING: Copied = { rows: 0n, leftOut: 0n, checksum: undefined, byUnit: new Map() };

/** Loop prevention: a capture of the target that meets this message drops the transaction. So it comes before the rows. */
async function beginWriting(target: Session, migration: string): Promise<string> {
  const [row] = await target.query(
    `SELECT pg_catalog.pg_logical_emit_message(true, 'rehouse', ${literal(`apply:${migration}`)}), pg_catalog.pg_current_xact_id()::xid AS xid`,
  );
  return row?.["xid"] ?? "";
}

function differs(chunk: Chunk, { unit, source, target }: ChunkDiffers, place: string): RehouseError {
  const table = tableText(chunk.table.source);
  const counts =
    source.rows === target.rows
      ? `${source.rows} rows on both sides, whose contents differ`
      : `${source.rows} rows at the source, ${target.rows} at the target`;
  return new RehouseError("REHOUSE_CHUNK_DIFFERS", {
    what: `chunk ${chunk.id} of ${table}${unit === undefined ? "" : `, tenant ${unit},`} did not arrive as it was read: ${counts}; nothing of it was written`,
    where: `${chunk.relation} blocks ${chunk.blocks?.from ?? 0} to ${chunk.blocks?.to ?? "the end"} → ${place}`,
    fix: "look for triggers, rules or column defaults at the target that change what is written, and for a cast that the two servers do differently",
  });
}
