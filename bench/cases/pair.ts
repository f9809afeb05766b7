import type { Client } from "pg";
import type { Bench } from "../bench.ts";
import type { CpuUse } from "../meters/cpu.ts";
import type { Migration } from "../migration.ts";
import { copyTable } from "../peers/copy.ts";
import { NativeReplication } from "../peers/native.ts";
import { DEADLINE_MS, type Scene } from "../scene.ts";
import { ask, connect, settle, slotIsRead } from "../servers/postgres.ts";
import { arrived, Changes, type Series } from "../workload/changes.ts";
import { assertEqual, TENANTS } from "../workload/events.ts";

/**
 * A source with two copies that follow it: ours, made by a migration, and native replication's. Both stand still until they are told to
 * go on, so that what is changed meanwhile waits in their slots.
 */
export class Pair {
  readonly source: string;
  readonly migration: Migration;
  readonly native: NativeReplication;
  readonly changes: Changes;

  private constructor(source: string, migration: Migration, native: NativeReplication, changes: Changes) {
    this.source = source;
    this.migration = migration;
    this.native = native;
    this.changes = changes;
  }

  static async prepare(bench: Bench, scene: Scene): Promise<Pair> {
    const source = await scene.source(bench.options.rows);
    const changes = await Changes.prepare(source, bench.options.rows);
    bench.say("copying it twice: by a migration, and for native replication");
    const native = new NativeReplication(bench.stack, source, await scene.target("native"));
    await copyTable(bench.programs, source, native.targetUrl);
    await native.prepare();
    const migration = await scene.migration(source);
    await migration.runUntilInSync();
    return new Pair(source, migration, native, changes);
  }

  /** What one round replicates, made while neither copy follows. */
  async change(count: number, perTransaction: number): Promise<Series> {
    const series = await this.changes.make(count, perTransaction);
    // The same start for whoever is measured first and second: dirty pages written, dead rows gone, statistics fresh.
    const copies = [this.source, this.migration.targetUrl, this.native.targetUrl];
    for (const url of copies) await ask(url, "VACUUM (ANALYZE) events");
    await settle(this.source, this.native.targetUrl);
    return series;
  }

  /** Native replication of what waits in its slot. */
  async drainNative(bench: Bench, series: Series): Promise<Drain> {
    await using target = await connect(this.native.targetUrl);
    await this.native.enable(target);
    const drain = await this.#drain(bench, this.native.slot, target, series);
    await this.native.disable();
    return drain;
  }

  /** Ours, with its processes just started. */
  async drainOurs(bench: Bench, series: Series): Promise<Drain> {
    await using target = await connect(this.migration.targetUrl);
    // Awaited here: the connection ends with this function.
    return await this.#drain(bench, this.migration.slot, target, series);
  }

  /** Resolves when copies that follow have everything that was changed so far. */
  async caughtUp(...targetUrls: string[]): Promise<void> {
    const last = await this.changes.make(TENANTS, 1);
    for (const url of targetUrls) {
      await using target = await connect(url);
      await arrived(target, last, DEADLINE_MS);
    }
  }

  async assertEqual(): Promise<void> {
    await assertEqual(this.source, {
      "the migration's target": this.migration.targetUrl,
      "native replication's target": this.native.targetUrl,
    });
  }

  /** From the slot being read to the last row being at the target. */
  async #drain(bench: Bench, slot: string, target: Client, series: Series): Promise<Drain> {
    await using source = await connect(this.source);
    await slotIsRead(source, slot, DEADLINE_MS);
    const stopwatch = bench.cpu.start();
    const began = performance.now();
    await arrived(target, series, DEADLINE_MS);
    return { seconds: (performance.now() - began) / 1000, cpu: stopwatch() };
  }
}

export type Drain = { readonly seconds: number; readonly cpu: CpuUse | undefined };
