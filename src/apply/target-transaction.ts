/**
 * The one way in which a lane writes to the target. A run of whole source transactions is one round trip: loop marker, rows, counts and the
 * lane's place, which commit together or not at all. What needs an answer in between (rows to be read again, a transaction larger
 * than memory, a replay change by change) opens a transaction and closes it with the place.
 */

import { failpoint } from "../failpoint.ts";
import { tableText } from "../model/mapping.ts";
import { formatLsn, type Lsn } from "../model/position.ts";
import { arrayText } from "../model/sql.ts";
import type { Database, Param, PipelineResult, Row, ServerError, Session, Statement } from "../ports.ts";
import { evict } from "./evict.ts";
import type { InPlaceRows } from "./in-place.ts";
import type { LaneName, Member, Place } from "./membership.ts";
import type { Plan } from "./plan.ts";
import type { Refetch } from "./refetch.ts";
import { refresh } from "./refresh.ts";
import { isCollision, isRefused } from "./refusals.ts";
import {
  keyTexts,
  type OrderedChanges,
  type OthersRows,
  type PatchGroup,
  patches,
  patchParameters,
  type RefetchedRows,
  refetchedUpsert,
  removals,
  transactionsOf,
  truncations,
  upserts,
} from "./statements.ts";
import { loopMarker } from "./table-writer.ts";

const NOTE_LATE_WRITES = `
  INSERT INTO rehouse.late_write (migration, tenant, lsn, ordinal, source, operation, key, committed_at)
  SELECT $1, tenant, lsn, ordinal, source, operation, key, to_timestamp(committed)
    FROM jsonb_to_recordset($2::jsonb) AS w(tenant text, lsn pg_lsn, ordinal bigint, source text, operation text, key jsonb, committed float8)
  ON CONFLICT DO NOTHING`;

/** Released as well: an attempt around this one has a savepoint of the same name. */
const UNDO_ATTEMPT = "ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt";

/** Each attempt clears the way under one of a table's unique constraints. */
const MOST_UNIQUE_KEYS = 16;

/** A change, planned alone. */
export type Step = { readonly plan: Plan; readonly changes: OrderedChanges };

export class TargetTransaction {
  readonly #session: Session;
  readonly #name: LaneName;
  readonly #refetch: Refetch;
  readonly #inPlace: InPlaceRows;
  readonly #stopsAtForeignWrites: boolean;
  readonly #begin: readonly Statement[];
  /** Tenant → changes that are committed, but not yet added to the tenant's count. */
  readonly #uncounted = new Map<string, number>();
  /** Tenant → changes of the transaction under way. */
  readonly #current = new Map<string, number>();
  /** Tenant → what {@link noteNewer} was told in the transaction under way. */
  readonly #newer = new Map<string, Lsn>();
  #countedAt = 0;
  #open = false;

  /** `deferred`: the role may not switch foreign keys off, so they are at least checked only at the end. */
  constructor(
    session: Session,
    name: LaneName,
    of: {
      readonly refetch: Refetch;
      readonly inPlace: InPlaceRows;
      readonly deferred: boolean;
      readonly stopsAtForeignWrites: boolean;
    },
  ) {
    this.#session = session;
    this.#name = name;
    this.#refetch = of.refetch;
    this.#inPlace = of.inPlace;
    this.#stopsAtForeignWrites = of.stopsAtForeignWrites;
    this.#begin = [
      { sql: "BEGIN" },
      ...(of.deferred ? [{ sql: "SET CONSTRAINTS ALL DEFERRED" }] : []),
      { sql: loopMarker(name.migration) },
    ];
  }

  get migration(): string {
    return this.#name.migration;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Applies whole transactions and moves the place, in one round trip where nothing has to be asked in between. */
  async commitAll(plan: Plan, changes: OrderedChanges, place: Place): Promise<void> {
    if (this.#open || patchesElsewhere(changes).length > 0) {
      await this.write(plan, changes, place);
      await this.commit(plan, place);
      return;
    }
    await this.#inPlace.bring(plan, changes, place);
    this.#open = true;
    this.#count(plan);
    const counts = this.#counts(plan.count === 0);
    await failpoint("apply.commit.before");
    await this.#session.pipeline([
      ...this.#begin,
      this.#advance(plan, place),
      ...this.#rows(changes),
      ...this.#lateWrites(plan),
      ...this.#guard(),
      ...counts,
      { sql: "COMMIT" },
    ]);
    await failpoint("apply.commit.after");
    this.#committed(counts.length > 0);
  }

  /**
   * Applies whole transactions like {@link commitAll}, each step by itself and in its place in the stream: what lacks nothing but the order is one
   * round trip, too. Resolves to how many steps come before the one that is refused, undefined where that cannot be told; nothing is done then.
   */
  async commitInOrder(steps: readonly Step[], place: Place): Promise<"committed" | { readonly before: number | undefined }> {
    const last = steps.at(-1)?.plan;
    if (last === undefined) return "committed";
    this.#open = true;
    for (const { plan } of steps) this.#count(plan);
    const counts = this.#counts(true);
    const statements = [...this.#begin, { sql: "SET CONSTRAINTS ALL DEFERRED" }, this.#advance(last, place)];
    const ends = steps.map(({ plan, changes }) => statements.push(...this.#rows(changes), ...this.#lateWrites(plan)));
    await failpoint("apply.commit.before");
    try {
      await this.#session.pipeline([...statements, ...this.#guard(), ...counts, { sql: "COMMIT" }]);
    } catch (error) {
      if (!isRefused(error)) throw error;
      await this.rollback();
      const before = ends.findIndex((end) => error.statement !== undefined && error.statement < end);
      return { before: before < 0 ? undefined : before };
    }
    await failpoint("apply.commit.after");
    this.#committed(true);
    return "committed";
  }

  /** A part of a transaction; {@link commit} follows when its end is there. `others`: rows of other tenants that are in the way. */
  async write(plan: Plan, changes: OrderedChanges, place: Place, others: OthersRows = "refuse"): Promise<void> {
    await this.#inPlace.bring(plan, changes, place);
    await this.begin();
    this.#count(plan);
    // Patches come before the upserts and after the deletes: each is on a key of its own, and only a unique value could tell the order.
    await this.run([...truncations(changes), ...removals(changes)]);
    for (const group of patchesElsewhere(changes)) {
      if (group.kind === "refresh") await this.#refresh(group, plan, place);
      else await this.#patch(group, place, others);
    }
    await this.run([...upserts(changes, others), ...this.#lateWrites(plan)]);
  }

  /** `body` within the open transaction, undone alone when it fails. */
  async attempt<T>(body: () => Promise<T>): Promise<T> {
    await this.begin();
    await this.#session.pipeline([{ sql: "SAVEPOINT attempt" }]);
    const before = new Map(this.#current);
    try {
      const result = await body();
      await this.#session.pipeline([{ sql: "RELEASE SAVEPOINT attempt" }]);
      return result;
    } catch (error) {
      this.#current.clear();
      add(this.#current, before);
      await this.#session.query(UNDO_ATTEMPT);
      throw error;
    }
  }

  /** As {@link attempt}, of nothing but these statements: one round trip. */
  async attemptAll(statements: readonly Statement[]): Promise<void> {
    await this.begin();
    try {
      await this.#session.pipeline([{ sql: "SAVEPOINT attempt" }, ...statements, { sql: "RELEASE SAVEPOINT attempt" }]);
    } catch (error) {
      await this.#session.query(UNDO_ATTEMPT);
      throw error;
    }
  }

  query(sql: string, params?: readonly Param[]): Promise<Row[]> {
    return this.#session.query(sql, params);
  }

  async begin(): Promise<void> {
    if (this.#open) return;
    this.#open = true;
    await this.#session.pipeline(this.#begin);
  }

  /** Tenants with changes in the transaction under way. */
  get tenants(): string[] {
    return [...this.#current.keys()];
  }

  /** Has everything checked now that would be checked at the commit. */
  async checkDeferred(): Promise<void> {
    await this.#session.query("SET CONSTRAINTS ALL IMMEDIATE");
  }

  /** Rows that were to be read again and that the target will not have, for whoever asked. Postgres' detail shows values, its message none. */
  async noteRefused(group: PatchGroup, error: ServerError): Promise<void> {
    const details = keyTexts(group).map((key) =>
      JSON.stringify({ table: tableText(group.writer.table.source), key, what: error.message }),
    );
    await this.run([
      {
        sql: `INSERT INTO rehouse.journal (migration, tenant, event, detail) SELECT $1, $2, 'repair-refused', unnest($3::text[])::jsonb`,
        params: [this.#name.migration, group.tenant, arrayText(details)],
      },
    ]);
  }

  /** A row of the tenant's may be newer than the stream, up to `asOf`: it was read again, say. A lane that is loaded anew has to know of it. */
  noteNewer(member: Member | undefined, asOf: Lsn): void {
    if (member === undefined) return;
    if (asOf > member.settleLsn) member.settleLsn = asOf;
    if (asOf > (this.#newer.get(member.tenant) ?? 0n)) this.#newer.set(member.tenant, asOf);
  }

  async commit(plan: Plan, place: Place): Promise<void> {
    const counts = this.#counts(true);
    await failpoint("apply.place.before");
    await this.#session.pipeline([
      ...this.#notesOfNewer(),
      ...counts,
      ...this.#guard(),
      this.#advance(plan, place),
      { sql: "COMMIT" },
    ]);
    await failpoint("apply.commit.after");
    this.#committed(true);
  }

  async rollback(): Promise<void> {
    this.#open = false;
    this.#current.clear();
    this.#newer.clear();
    await this.#session.query("ROLLBACK");
  }

  /** Adds what is not yet added to the tenants' counts; on another session, as this one may be gone. They are for people: a failure is let go. */
  async flushCounts(target: Pick<Database, "query">): Promise<void> {
    if (this.#uncounted.size === 0) return;
    const { sql, params } = this.#addCounts(this.#uncounted);
    this.#uncounted.clear();
    await target.query(sql, params).catch(() => undefined);
  }

  #rows(changes: OrderedChanges): Statement[] {
    return [...truncations(changes), ...removals(changes), ...upserts(changes, "refuse")];
  }

  /** Statements within the open transaction. */
  async run(statements: readonly Statement[]): Promise<PipelineResult[]> {
    return statements.length === 0 ? [] : this.#session.pipeline(statements);
  }

  async #patch(group: PatchGroup, place: Place, others: OthersRows): Promise<void> {
    const { writer, tenant, lacking } = group;
    const patch = group.kind === "reread" ? undefined : writer.patch(lacking);
    let keys: Param[];
    if (patch === undefined) keys = patchParameters(group, writer.table.key);
    else {
      const [result] = await this.#session.pipeline([{ sql: patch.sql, params: patchParameters(group, patch.inputs) }]);
      if (result === undefined || result.rows.length === 0) return;
      keys = missingKeys(result.rows, writer.table.key.length);
    }
    const refetched = await this.#refetch(writer, tenant, keys, transactionsOf(group));
    this.noteNewer(place.members.get(tenant), refetched.asOf);
    if (refetched.rows.length > 0) await this.#bring(refetched, others);
  }

  #refresh(group: PatchGroup, plan: Plan, place: Place): Promise<void> {
    const note = (asOf: Lsn) => this.noteNewer(place.members.get(group.tenant), asOf);
    return refresh({ transaction: this, refetch: this.#refetch, after: plan.recent, note }, group);
  }

  /** Rows read again may hold unique values that rows of the lane's time have not given up yet: those give way, as in evict.ts. */
  async #bring(refetched: RefetchedRows, others: OthersRows): Promise<void> {
    const upsert = refetchedUpsert(refetched, others);
    for (let evicted = 0; ; evicted++) {
      try {
        await this.attemptAll([upsert]);
        return;
      } catch (error) {
        const gaveWay =
          isCollision(error) && evicted < MOST_UNIQUE_KEYS && (await evict(this, refetched.writer, upsert, error)) !== undefined;
        if (!gaveWay) throw error;
      }
    }
  }

  /** After the rows: whoever wrote one of them before us has committed, with the note of it. */
  #guard(): Statement[] {
    if (!this.#stopsAtForeignWrites || this.#current.size === 0) return [];
    const params = [this.#name.migration, arrayText(this.tenants)];
    return [{ sql: "SELECT rehouse.refuse_foreign_writes($1, $2::text[])", params }];
  }

  #notesOfNewer(): Statement[] {
    return [...this.#newer].map(([tenant, asOf]) => ({
      sql: `UPDATE rehouse.tenant SET reread_lsn = greatest(reread_lsn, $3::pg_lsn) WHERE migration = $1 AND tenant = $2`,
      params: [this.#name.migration, tenant, formatLsn(asOf)],
    }));
  }

  #advance(plan: Plan, place: Place): Statement {
    return {
      sql: "SELECT rehouse.advance_lane($1, $2::int, $3, $4::bigint, $5::bigint, $6::bigint, $7::pg_lsn, $8::bigint, $9::bigint, $10::bigint)",
      params: [
        this.#name.migration,
        String(this.#name.partition),
        this.#name.lane,
        String(place.nextOffset),
        String(place.membership),
        String(plan.nextOffset),
        formatLsn(plan.position.lsn),
        String(plan.position.ordinal),
        String(sum(this.#current)),
        String(plan.committedAtMs),
      ],
    };
  }

  #lateWrites({ lateWrites }: Plan): Statement[] {
    if (lateWrites.length === 0) return [];
    const rows = lateWrites.map(({ tenant, table, position, change, committedAtMs }) => ({
      tenant,
      lsn: formatLsn(position.lsn),
      ordinal: position.ordinal,
      source: table,
      ...change,
      committed: committedAtMs / 1_000,
    }));
    return [{ sql: NOTE_LATE_WRITES, params: [this.#name.migration, JSON.stringify(rows)] }];
  }

  #count(plan: Plan): void {
    add(this.#current, plan.counts);
  }

  /** The tenants' counts are for people: twice a second is often enough, and it keeps their rows out of most transactions. */
  #counts(now: boolean): Statement[] {
    const counts = new Map(this.#uncounted);
    add(counts, this.#current);
    if (counts.size === 0 || (!now && Date.now() - this.#countedAt < 500)) return [];
    return [this.#addCounts(counts)];
  }

  #addCounts(counts: ReadonlyMap<string, number>): Statement {
    return {
      sql: `UPDATE rehouse.tenant AS t SET changes = t.changes + c.changes
              FROM (SELECT unnest($2::text[]) AS tenant, unnest($3::text[])::bigint AS changes) AS c
             WHERE t.migration = $1 AND t.tenant = c.tenant`,
      params: [this.#name.migration, arrayText([...counts.keys()]), arrayText([...counts.values()].map(String))],
    };
  }

  #committed(counted: boolean): void {
    this.#open = false;
    if (counted) {
      this.#uncounted.clear();
      this.#countedAt = Date.now();
    } else add(this.#uncounted, this.#current);
    this.#current.clear();
    this.#newer.clear();
  }
}

/** A row in place has all that a message may lack. */
function patchesElsewhere(changes: OrderedChanges): PatchGroup[] {
  return patches(changes).filter(({ writer }) => writer.inPlace === undefined);
}

function add(to: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [tenant, count] of more) to.set(tenant, (to.get(tenant) ?? 0) + count);
}

function sum(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

function missingKeys(rows: readonly Row[], columns: number): string[] {
  return Array.from({ length: columns }, (_, index) => arrayText(rows.map((row) => row[`k${index}`] ?? "")));
}
