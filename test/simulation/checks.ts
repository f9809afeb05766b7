/** What has to hold at every moment, judged against the oracle. The first thing that does not ends the seed. */

import { asLsn, comparePositions, formatPosition, type Lsn, type Position } from "../../src/model/position.ts";
import type { IncomingMessage } from "../../src/ports.ts";
import { placeOf, sees } from "./backfill.ts";
import { applyTo, type Expected, type History, type UnitRows } from "./history.ts";
import { max } from "./rules.ts";
import type { EpochRow, LaneRow, TenantRow } from "./state.ts";
import { epochKey } from "./state.ts";
import type { Advance, Target } from "./target.ts";
import type { TargetRow } from "./target-rows.ts";

/** What a seed found. */
export class Finding extends Error {
  override readonly name = "Finding";
}

type Known = Expected & { readonly offset: bigint };
type Cursor = { next: number; readonly rows: UnitRows; compared: readonly unknown[] };

export class Checks {
  readonly #history: History;
  readonly #target: () => Target;
  readonly #known: Map<string, Known>[];
  readonly #arrived: number[];
  readonly #cursors = new Map<string, Cursor>();
  finding: Finding | undefined;
  /** How much was looked at. */
  compared = 0;
  advances = 0;
  repeats = 0;

  constructor(history: History, target: () => Target) {
    this.#history = history;
    this.#target = target;
    this.#known = history.messages.map(() => new Map());
    this.#arrived = history.messages.map(() => 0);
  }

  fail(what: string): void {
    this.finding ??= new Finding(what);
  }

  /** A position is in a partition at its turn, or it is an exact repeat. */
  appended(partition: number, message: IncomingMessage): void {
    const position = message.position === undefined ? "" : formatPosition(message.position);
    const isLast = message.isTxLast;
    const known = this.#known[partition];
    const turn = this.#arrived[partition] ?? 0;
    const expected = this.#history.messages[partition]?.[turn];
    let it: Expected | undefined = known?.get(position);
    if (it !== undefined) this.repeats++;
    else if (expected?.position === position) {
      it = expected;
      known?.set(position, { ...expected, offset: BigInt(message.offset) });
      this.#arrived[partition] = turn + 1;
    } else this.fail(`partition ${partition} got ${position} where ${expected?.position ?? "nothing"} was next`);
    if (it !== undefined && it.last !== isLast)
      this.fail(
        `${position} of partition ${partition} ${isLast ? "claims to be" : "does not say that it is"} its transaction's last`,
      );
  }

  /** The source may forget only what every partition has. */
  acknowledged(flushed: Lsn): void {
    for (const [partition, expected] of this.#history.messages.entries()) {
      const missing = expected[this.#arrived[partition] ?? 0];
      if (missing !== undefined && missing.commit.lsn < flushed)
        this.fail(`${flushed} was acknowledged, but partition ${partition} does not have ${missing.position}`);
    }
  }

  /** Where the topic's tail was when a run of capture read it. */
  published(partition: number, position: Position, tail: Position | undefined): void {
    if (tail !== undefined && comparePositions(position, tail) <= 0)
      this.fail(
        `${formatPosition(position)} was published again, though the tail of partition ${partition} showed ${formatPosition(tail)}`,
      );
  }

  advanced({ from, to, changes, members }: Advance): void {
    this.advances++;
    const [start, end] = [place(from), place(to)];
    if (to.next < from.next || comparePositions(end, start) < 0)
      this.fail(`lane ${from.lane} went back to ${formatPosition(end)}`);
    const at = this.#known[to.partition]?.get(formatPosition(end));
    if (comparePositions(end, start) > 0 && at?.last !== true)
      this.fail(
        `lane ${from.lane} of partition ${to.partition} committed at ${formatPosition(end)}, inside a source transaction`,
      );
    let due = 0;
    for (const member of members) {
      due += this.#due(member, start, end);
      const settled = max(member.settle, member.reread);
      if (to.lsn >= settled) this.#compare(member.tenant, to.lsn);
      if (member.phase === "in-sync" && to.lsn < member.settle)
        this.fail(`${member.tenant} is in-sync before its lane is at its settle LSN`);
    }
    if (due !== changes)
      this.fail(
        `lane ${from.lane} of partition ${to.partition} applied ${changes} changes up to ${formatPosition(end)}, where ${due} were due`,
      );
  }

  /** Everything is over: all of the unit is at the target, and nothing else is in its tables. */
  over(unit: string, at: Lsn): void {
    this.#compare(unit, at);
  }

  /** How many of the unit's changes lie between two places, and are neither in its copy nor another lane's. */
  #due(member: TenantRow, start: Position, end: Position): number {
    const oldest = this.#target().store.values.get(epochKey(member.firstEpoch ?? 0)) as EpochRow; // a member has one
    let due = 0;
    const changes = this.#history.changes(member.tenant);
    for (let index = changes.length - 1; index >= 0; index--) {
      const change = changes[index];
      if (change === undefined || change.lsn < start.lsn) break;
      if (comparePositions(change, end) > 0 || comparePositions(change, start) <= 0 || sees(oldest.snapshot, change.xid))
        continue;
      const first = this.#known[member.partition]?.get(formatPosition(change));
      if (first !== undefined && first.offset < (member.start ?? 0n) && member.start !== undefined) continue;
      due++;
    }
    return due;
  }

  #compare(unit: string, at: Lsn | bigint): void {
    let cursor = this.#cursors.get(unit);
    if (cursor === undefined) {
      cursor = { next: 0, rows: new Map(), compared: [] };
      this.#cursors.set(unit, cursor);
    }
    const changes = this.#history.changes(unit);
    let moved = false;
    for (let change = changes[cursor.next]; change !== undefined && change.lsn <= at; change = changes[cursor.next]) {
      applyTo(cursor.rows, change);
      cursor.next++;
      moved = true;
    }
    const target = this.#target();
    const { layout } = target.rows;
    const tables = layout.tables.filter((table) => layout.whole || table.tenant < 0 === (unit === "(shared)"));
    const held = tables.map((table) => target.store.values.get(placeOf(target, table, unit)));
    if (!moved && held.every((rows, index) => rows === cursor.compared[index])) return;
    cursor.compared = held;
    this.compared++;
    for (const [index, table] of tables.entries()) {
      const wanted = new Map<string, string>();
      for (const row of cursor.rows.get(table)?.values() ?? []) {
        const image = target.rows.image(table, row);
        wanted.set(target.rows.key(table.name, image), image.join("|"));
      }
      const tenant = layout.whole ? -1 : target.rows.tenantIndex(table.name);
      const there = (held[index] ?? new Map()) as ReadonlyMap<string, TargetRow>; // what a place holds
      for (const [key, row] of there) {
        if (tenant >= 0 && row[tenant] !== unit) continue;
        const image = row.join("|");
        if (wanted.get(key) !== image)
          this.fail(`${unit} at ${at}: ${table.name} ${key} is ${image}, at the source ${wanted.get(key)}`);
        wanted.delete(key);
      }
      for (const [key, image] of wanted) this.fail(`${unit} at ${at}: ${table.name} ${key} is missing, at the source ${image}`);
    }
  }
}

function place({ lsn, ordinal }: LaneRow): Position {
  return { lsn: asLsn(lsn), ordinal: Number(ordinal) };
}
