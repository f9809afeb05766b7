/**
 * The target's server: the statements that the product sends about its own state (schemas/state), told by how they begin, with their rule in
 * the same words over the store. Whoever changes such a statement changes its rule here.
 */

import { MAIN_LANE } from "../../src/apply/index.ts";
import { asLsn, formatLsn, parseLsn } from "../../src/model/position.ts";
import { type Param, type Row, ServerError } from "../../src/ports.ts";
import type { Rates } from "./network.ts";
import { list, text } from "./parameters.ts";
import {
  addNote,
  beginMainLanes,
  caughtUp,
  change,
  chooseLanes,
  copiedWaves,
  countMembership,
  countOne,
  dropEmptyLane,
  dropLane,
  inPhase,
  lanesOf,
  mainAndLate,
  mainLanesOf,
  makeLateLanes,
  max,
  meets,
  membersKeys,
  membersOf,
  moveToMain,
  newLanes,
  settle,
  settling,
  stop,
  unitsOfWave,
} from "./rules.ts";
import { oneLine, type Prepared, type Server } from "./session.ts";
import {
  type EpochRow,
  epochKey,
  epochs,
  type LaneRow,
  laneKey,
  lanes,
  NOTES,
  type NoteRow,
  type TenantRow,
  tenantKey,
  tenants,
  type WaveRow,
  waveKey,
  waves,
} from "./state.ts";
import { Store, type StoreTransaction } from "./store.ts";
import type { Layout } from "./tables.ts";
import { TargetRows } from "./target-rows.ts";

/** A lane has moved its place, in a transaction that is now committed. */
export type Advance = {
  readonly from: LaneRow;
  readonly to: LaneRow;
  readonly changes: number;
  readonly members: readonly TenantRow[];
};

/** Where a simulation of a broken product breaks it. Each leaves everything as it is when it is not given. */
export type TargetHooks = {
  /** Changes touch rows of other tenants under the same key. */
  readonly writesOverOthers?: boolean;
  /** A row of another tenant is always taken for one that has come to him later. */
  readonly everybodyIsAhead?: boolean;
  /** The place that a lane stores. */
  readonly advance?: (from: LaneRow, to: LaneRow) => LaneRow;
  /** The snapshot by which a lane tells what the copy holds. */
  readonly snapshot?: (member: TenantRow, oldest: EpochRow, all: readonly EpochRow[]) => string;
  /** The note that a late tenant's start is taken from. */
  readonly note?: (fitting: NoteRow, all: readonly NoteRow[]) => NoteRow;
  /** A tenant joins the main lane wherever that stands. */
  readonly joinsAnywhere?: boolean;
};

export class Target implements Server {
  readonly place = "target";
  readonly store = new Store();
  readonly rows: TargetRows;
  readonly rates: Rates;
  readonly partitions: number;
  readonly #hooks: TargetHooks;
  readonly #onAdvance: (advance: Advance) => void;
  readonly #prepared = new Map<string, Prepared>();
  /** Advisory locks of sessions. */
  readonly #claims = new Set<string>();

  constructor(of: {
    readonly layout: Layout;
    readonly partitions: number;
    readonly rates: Rates;
    readonly hooks: TargetHooks;
    readonly onAdvance: (advance: Advance) => void;
  }) {
    this.rows = new TargetRows(of.layout, of.hooks.writesOverOthers);
    this.partitions = of.partitions;
    this.rates = of.rates;
    this.#hooks = of.hooks;
    this.#onAdvance = of.onAdvance;
  }

  begin(): StoreTransaction {
    return this.store.begin();
  }

  prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const prepared = this.rows.prepare(sql) ?? this.#state(oneLine(sql));
    this.#prepared.set(sql, prepared);
    return prepared;
  }

  #state(sql: string): Prepared {
    const found = this.#statements.find(([beginning]) => sql.startsWith(beginning));
    if (found === undefined) throw new RangeError(`the simulated target does not know this statement: ${sql}`);
    return found[1];
  }

  /** By how they begin; of two that fit the first. */
  readonly #statements: readonly (readonly [string, Prepared])[] = [
    // every lane
    ["SELECT pg_logical_emit_message(true, 'rehouse', 'apply:", NOTHING],
    ["SET session_replication_role", NOTHING],
    ["SET CONSTRAINTS ALL", NOTHING],
    ["SELECT l.next_offset, l.lsn", { run: (params, transaction) => this.#loadPlace(params, transaction) }],
    [
      "SELECT rehouse.advance_lane(",
      {
        locks: ([, partition, lane]) => [laneKey(text(partition), text(lane))],
        run: (params, transaction) => this.#advance(params, transaction),
      },
    ],
    ["UPDATE rehouse.tenant AS t SET changes", { locks: ([, of]) => list(of).map(tenantKey), run: () => [] }],
    [
      "UPDATE rehouse.tenant SET reread_lsn",
      {
        locks: ([, tenant]) => [tenantKey(text(tenant))],
        run: ([, tenant, lsn], transaction) =>
          change(transaction, text(tenant), (row) => ({ ...row, reread: max(row.reread, parseLsn(text(lsn))) })),
      },
    ],
    // Identity columns: none.
    ["SELECT n.nspname", NOTHING],
    [
      "SELECT l.lsn, l.ordinal FROM rehouse.tenant AS t",
      {
        run: ([, tenant], transaction) => {
          const row = transaction.get<TenantRow>(tenantKey(text(tenant)));
          if (this.#hooks.everybodyIsAhead === true) return [{ lsn: "FFFFFFFF/0", ordinal: "0" }];
          const lane = row?.lane === undefined ? undefined : transaction.get<LaneRow>(laneKey(row.partition, row.lane));
          return lane === undefined ? [] : [{ lsn: formatLsn(asLsn(lane.lsn)), ordinal: String(lane.ordinal) }];
        },
      },
    ],
    ["SELECT pg_get_indexdef", { run: ([, constraint]) => this.rows.constraint(text(constraint).split("_")[0] ?? "") }],

    // tenants join lanes (membership.ts)
    [`SELECT FROM rehouse.lane AS l WHERE migration = $1 AND lane = '${MAIN_LANE}'`, { locks: mainLanesOf, run: () => [] }],
    ["UPDATE rehouse.lane AS l SET next_offset = j.first", { locks: mainLanesOf, run: beginMainLanes }],
    [
      "UPDATE rehouse.tenant AS t SET lane = CASE",
      {
        locks: ([, of]) => list(of).map(tenantKey),
        run: (params, transaction) => chooseLanes(params, transaction, this.#hooks.joinsAnywhere === true),
      },
    ],
    ["INSERT INTO rehouse.lane (", { locks: newLanes, run: makeLateLanes }],
    ["UPDATE rehouse.lane AS l SET membership", { locks: lanesOf, run: countMembership }],
    [
      "SELECT late.next_offset",
      { locks: mainAndLate, run: (params, transaction) => meets(params, transaction, this.#hooks.joinsAnywhere === true) },
    ],
    [`UPDATE rehouse.tenant SET lane = '${MAIN_LANE}', start_offset`, { locks: membersKeys, run: moveToMain }],
    ["DELETE FROM rehouse.lane WHERE", { locks: ([, partition, lane]) => [laneKey(text(partition), text(lane))], run: dropLane }],
    [
      "UPDATE rehouse.lane SET membership = membership + 1",
      { locks: ([, partition, lane]) => [laneKey(text(partition), text(lane))], run: countOne },
    ],

    // a tenant stops, and goes on (stop.ts)
    [
      "SELECT FROM rehouse.lane WHERE migration = $1 AND partition",
      {
        locks: ([, p, lane]) => [laneKey(text(p), text(lane))],
        run: ([, p, lane, membership], transaction) =>
          String(transaction.get<LaneRow>(laneKey(text(p), text(lane)))?.membership) === text(membership) ? [{}] : [],
      },
    ],
    ["UPDATE rehouse.tenant AS t SET lane = NULL", { locks: ([, , , tenant]) => [tenantKey(text(tenant))], run: stop }],
    ["DELETE FROM rehouse.lane AS l", { locks: ([, p, lane]) => [laneKey(text(p), text(lane))], run: dropEmptyLane }],
    [
      "SELECT FROM rehouse.tenant WHERE migration = $1 AND tenant = $2 AND stopped",
      {
        locks: ([, tenant]) => [tenantKey(text(tenant))],
        run: ([, tenant], transaction) =>
          transaction.get<TenantRow>(tenantKey(text(tenant)))?.stopped === undefined ? [] : [{}],
      },
    ],
    ["WITH decided AS", NOTHING],
    [
      "UPDATE rehouse.tenant SET stopped = NULL",
      {
        locks: ([, tenant]) => [tenantKey(text(tenant))],
        run: ([, tenant], transaction) => change(transaction, text(tenant), (row) => ({ ...row, stopped: undefined })),
      },
    ],

    // late lanes (late-lanes.ts)
    [
      "SELECT partition, lane FROM rehouse.lane",
      {
        run: (_, transaction) =>
          lanes(transaction)
            .filter(({ lane }) => lane !== MAIN_LANE)
            .map(({ partition, lane }) => ({ partition: String(partition), lane })),
      },
    ],
    [
      "SELECT pg_try_advisory_lock",
      {
        run: ([name], _, connection) => {
          const claim = text(name);
          if (this.#claims.has(claim)) return [{ mine: "f" }];
          this.#claims.add(claim);
          connection.onClose.push(() => this.#claims.delete(claim));
          return [{ mine: "t" }];
        },
      },
    ],

    // capture
    ["SELECT partitions FROM rehouse.migration", { run: () => [{ partitions: String(this.partitions) }] }],
    [
      "SELECT tenant FROM rehouse.tenant WHERE migration = $1 AND kind = 'tenant'",
      {
        run: (_, transaction) =>
          tenants(transaction)
            .filter(({ kind }) => kind === "tenant")
            .map(({ tenant }) => ({ tenant })),
      },
    ],
    [
      "INSERT INTO rehouse.offset_note",
      {
        locks: () => [NOTES],
        run: ([, lsn, offsets], transaction) => {
          if (transaction.get(NOTES) === undefined) addNote(transaction, parseLsn(text(lsn)), 0n, text(offsets));
          return [];
        },
      },
    ],
    [
      "WITH note AS (",
      {
        locks: () => [NOTES],
        run: ([, lsn, ceiling, offsets], transaction) => {
          if (lsn !== null) addNote(transaction, parseLsn(text(lsn)), BigInt(text(ceiling)), text(offsets));
          return [{ hurried: tenants(transaction).some(({ phase }) => phase !== "in-sync") ? "t" : "f" }];
        },
      },
    ],
    ["DELETE FROM rehouse.offset_note", NOTHING],
    ["INSERT INTO rehouse.journal", NOTHING],

    [
      "SELECT relation, source",
      {
        run: () =>
          this.rows.layout.tables.map(({ relation, name }) => ({
            relation: String(relation.id),
            source: `public.${name}`,
            partitions: "{}",
          })),
      },
    ],
    ["UPDATE rehouse.source_table", NOTHING],

    // control
    [
      "SELECT array_to_json(array_agg(tenant",
      { run: ([, phase], transaction) => [{ units: JSON.stringify(inPhase(transaction, text(phase))) }] },
    ],
    [
      "INSERT INTO rehouse.wave",
      {
        locks: (_, transaction) => [waveKey(waves(transaction).length + 1)],
        run: (_, transaction) => {
          const wave = waves(transaction).length + 1;
          transaction.put(waveKey(wave), { wave, firstEpoch: undefined, chunks: undefined } satisfies WaveRow);
          return [{ wave: String(wave) }];
        },
      },
    ],
    [
      "UPDATE rehouse.tenant SET wave",
      {
        locks: ([, of]) => list(of).map(tenantKey),
        run: ([, of, wave], transaction) => {
          for (const tenant of list(of)) change(transaction, tenant, (row) => ({ ...row, wave: Number(text(wave)) }));
          return [];
        },
      },
    ],
    [
      "UPDATE rehouse.tenant SET phase",
      {
        locks: ([, of]) => list(of).map(tenantKey),
        run: ([, of, from, to], transaction) => {
          const moved = list(of).filter((tenant) => transaction.get<TenantRow>(tenantKey(tenant))?.phase === text(from));
          for (const tenant of moved) change(transaction, tenant, (row) => ({ ...row, phase: text(to) }));
          return moved.map((tenant) => ({ tenant }));
        },
      },
    ],
    ["SELECT wave, array_to_json(array_agg(tenant", { run: (_, transaction) => copiedWaves(transaction) }],
    [
      "UPDATE rehouse.tenant AS t SET first_epoch",
      {
        locks: ([, wave], transaction) => unitsOfWave(transaction, Number(text(wave))).map(({ tenant }) => tenantKey(tenant)),
        run: (params, transaction) => this.#launch(params, transaction),
      },
    ],
    ["WITH free AS (", { locks: (_, transaction) => settling(transaction).map(({ tenant }) => tenantKey(tenant)), run: settle }],
    ["SELECT t.tenant, t.settle_lsn, l.lsn", { run: (_, transaction) => caughtUp(transaction) }],
  ];

  #loadPlace([, partition, name]: readonly Param[], transaction: StoreTransaction): Row[] {
    const lane = transaction.get<LaneRow>(laneKey(text(partition), text(name)));
    if (lane === undefined) return [];
    const place = {
      next_offset: String(lane.next),
      lsn: formatLsn(asLsn(lane.lsn)),
      ordinal: String(lane.ordinal),
      membership: String(lane.membership),
    };
    const members = membersOf(transaction, lane.partition, lane.lane);
    if (members.length === 0) return [{ ...place, tenant: null }];
    return members.map((member) => ({
      ...place,
      tenant: member.tenant,
      start_offset: member.start === undefined ? null : String(member.start),
      copy_lsn: formatLsn(asLsn(member.settle)),
      settle_lsn: formatLsn(asLsn(max(member.settle, member.reread))),
      snapshot: this.#snapshotOf(member, transaction),
    }));
  }

  #snapshotOf(member: TenantRow, transaction: StoreTransaction): string {
    const oldest = transaction.get<EpochRow>(epochKey(member.firstEpoch ?? 0));
    if (oldest === undefined) throw new RangeError(`${member.tenant} has a lane but no epoch`);
    if (this.#hooks.snapshot === undefined) return oldest.text;
    return this.#hooks.snapshot(member, oldest, epochs(transaction));
  }

  #advance(params: readonly Param[], transaction: StoreTransaction): Row[] {
    const [, partition, name, expected, membership, next, lsn, ordinal, changes] = params.map((param) => text(param));
    const key = laneKey(partition ?? "", name ?? "");
    const from = transaction.get<LaneRow>(key);
    if (from === undefined || String(from.next) !== expected || String(from.membership) !== membership)
      throw new ServerError(`lane ${name} is no longer at offset ${expected}`, { sqlstate: "RH001" });
    const to = { ...from, next: BigInt(next ?? ""), lsn: parseLsn(lsn ?? ""), ordinal: BigInt(ordinal ?? "") };
    transaction.put(key, this.#hooks.advance?.(from, to) ?? to);
    const members = membersOf(transaction, from.partition, from.lane);
    transaction.notes.push(() => this.#onAdvance({ from, to, changes: Number(changes), members }));
    return [];
  }

  /** The newest note whose ceiling the oldest snapshot has passed: whatever that snapshot does not see began behind its offsets. */
  #launch([, wave, lsn]: readonly Param[], transaction: StoreTransaction): Row[] {
    const of = transaction.get<WaveRow>(waveKey(Number(text(wave))));
    const epoch = transaction.get<EpochRow>(epochKey(of?.firstEpoch ?? 0));
    if (of?.firstEpoch === undefined || epoch === undefined) return [];
    const notes = transaction.get<readonly NoteRow[]>(NOTES) ?? [];
    const fitting = notes.findLast(({ ceiling }) => ceiling <= epoch.snapshot.xmin);
    const note = fitting === undefined ? undefined : (this.#hooks.note?.(fitting, notes) ?? fitting);
    return unitsOfWave(transaction, of.wave).map(({ tenant }) => {
      const start = change(transaction, tenant, (row) => ({
        ...row,
        firstEpoch: of.firstEpoch,
        settle: max(row.settle, parseLsn(text(lsn))),
        settled: false,
        start: note?.offsets[row.partition],
      }))[0];
      return { start_offset: start?.["start"] ?? null };
    });
  }
}

const NOTHING: Prepared = { run: () => [] };
