/**
 * Applies what was refused as a set, in the order of the stream: either the order helps, or the change that is to blame shows itself. As slow
 * as it has to be, and no slower.
 */

import type { IncomingMessage, ServerError } from "../ports.ts";
import { missingLabels } from "./advice.ts";
import { evict } from "./evict.ts";
import type { Segment } from "./inbox.ts";
import { onlyChange, othersRow, refusal } from "./lane-failures.ts";
import type { Place } from "./membership.ts";
import { aheadTo, ownerOf } from "./others-row.ts";
import { type Plan, type Planner, Refusal } from "./plan.ts";
import { isCollision, isOthersRow, isRefused } from "./refusals.ts";
import { type OrderedChanges, patches, touched, upserts } from "./statements.ts";
import type { Step, TargetTransaction } from "./target-transaction.ts";
import type { Writers } from "./writers.ts";

/** Changes at once: a refusal has what comes before it sent once more. */
const MOST_IN_ORDER = 500;

export class ExactReplay {
  readonly #planner: Planner;
  readonly #writers: Writers;

  constructor(planner: Planner, writers: Writers) {
    this.#planner = planner;
    this.#writers = writers;
  }

  /**
   * As many of the segment's transactions at once as go in the order of the stream. Where one of them does not, or has to ask in between, as a set
   * with those behind it, twice as many each time that went well; and what is refused even alone, change by change.
   */
  async apply(segment: Segment, from: Plan, place: Place, transaction: TargetTransaction): Promise<Plan> {
    if (!segment.complete) return this.#applyEach(segment.messages, from, place, transaction);
    let left = byTransaction(segment.messages);
    let at = from;
    let current = place;
    const goOn = (to: Plan, transactions: number) => {
      at = to;
      current = { ...current, nextOffset: at.nextOffset, position: at.position };
      left = left.slice(transactions);
    };
    for (let size = 1; left.length > 0; ) {
      const inOrder = await this.#applyInOrder(left, at, current, transaction);
      if (inOrder !== undefined) {
        goOn(inOrder.at, inOrder.transactions);
        continue;
      }
      const group = left.slice(0, size);
      const asSet = await this.#applyGroup(group.flat(), at, current, transaction);
      if (asSet === undefined && size > 1) {
        size = 1;
        continue;
      }
      goOn(asSet ?? (await this.#applyEach(group.flat(), at, current, transaction)), group.length);
      size = asSet === undefined ? 1 : size * 2;
    }
    return at;
  }

  /** Undefined: the first of the transactions cannot be applied in this way. */
  async #applyInOrder(
    transactions: readonly IncomingMessage[][],
    from: Plan,
    place: Place,
    transaction: TargetTransaction,
  ): Promise<{ readonly at: Plan; readonly transactions: number } | undefined> {
    // The pieces of it that came before are not committed yet.
    if (transaction.isOpen) return undefined;
    let planned = this.#planInOrder(transactions, from, place);
    for (;;) {
      const steps = planned.flat();
      const at = steps.at(-1)?.plan;
      if (at === undefined) return undefined;
      const came = await transaction.commitInOrder(steps, place);
      if (came === "committed") return { at, transactions: planned.length };
      // Where the end was refused, of them all together, any of them may be to blame.
      planned = came.before === undefined ? [] : planned.slice(0, transactionOf(planned, came.before));
    }
  }

  /** Of each transaction its changes, up to the first that needs an answer in between, or {@link MOST_IN_ORDER}. */
  #planInOrder(transactions: readonly IncomingMessage[][], from: Plan, place: Place): Step[][] {
    const planned: Step[][] = [];
    let at = from;
    for (let count = 0; count < MOST_IN_ORDER && planned.length < transactions.length; ) {
      const steps = this.#stepsOf(transactions[planned.length] ?? [], at, place);
      if (steps === undefined) break;
      planned.push(steps);
      at = steps.at(-1)?.plan ?? at;
      count += steps.length;
    }
    return planned;
  }

  #stepsOf(messages: readonly IncomingMessage[], from: Plan, place: Place): Step[] | undefined {
    const steps: Step[] = [];
    let at = from;
    for (const message of messages) {
      try {
        at = this.#planner.plan([message], at, place);
      } catch (error) {
        if (error instanceof Refusal) return undefined;
        throw error;
      }
      const changes = this.#writers.inOrder(at.changes);
      if (patches(changes).length + touched(changes).length > 0) return undefined;
      steps.push({ plan: at, changes });
    }
    return steps;
  }

  /** Whole transactions as one set. Undefined: refused, and nothing of it is done. */
  async #applyGroup(
    messages: readonly IncomingMessage[],
    from: Plan,
    place: Place,
    transaction: TargetTransaction,
  ): Promise<Plan | undefined> {
    try {
      const plan = this.#planner.plan(messages, from, place);
      await transaction.attempt(async () => {
        await transaction.write(plan, this.#writers.inOrder(plan.changes), place);
        await transaction.checkDeferred();
      });
      await transaction.commit(plan, place);
      return plan;
    } catch (error) {
      if (isRefused(error) || error instanceof Refusal) return undefined;
      throw error;
    }
  }

  /** Change by change. */
  async #applyEach(
    messages: readonly IncomingMessage[],
    from: Plan,
    place: Place,
    transaction: TargetTransaction,
  ): Promise<Plan> {
    let at = from;
    let current = place;
    for (const message of messages) {
      await transaction.begin();
      const plan = this.#planner.plan([message], at, current);
      if (plan.count + plan.lateWrites.length > 0) await this.#applyOne(plan, current, transaction);
      at = plan;
      if (!message.isTxLast) continue;
      await this.#checkDeferred(at, transaction);
      await transaction.commit(at, current);
      current = { ...current, nextOffset: at.nextOffset, position: at.position };
    }
    return at;
  }

  /**
   * What the target checks only at the end of a transaction. Where several tenants took part, and the table is not of one of them alone, the
   * first is stopped; if it was another's change, that one follows.
   */
  async #checkDeferred(plan: Plan, transaction: TargetTransaction): Promise<void> {
    const { tenants } = transaction;
    try {
      await transaction.checkDeferred();
    } catch (error) {
      if (!isRefused(error)) throw error;
      const tenant = tenants.find((candidate) => this.#writers.writesTo(candidate, error.table)) ?? tenants[0];
      if (tenant === undefined) throw error;
      throw refusal(tenant, error.table ?? "", plan.position, error);
    }
  }

  async #applyOne(plan: Plan, place: Place, transaction: TargetTransaction): Promise<void> {
    const changes = this.#writers.inOrder(plan.changes);
    const tenant = plan.counts.keys().next().value ?? "";
    const table = changes[0]?.[0].table.source;
    if (plan.rereads > 0) return this.#applyReread(plan, changes, place, transaction);
    const refused = async (error: ServerError) => {
      const statements = await missingLabels(transaction, error, changes);
      const change = onlyChange(changes);
      return refusal(tenant, `${table?.schema}.${table?.table}`, plan.position, error, { statements, change });
    };
    try {
      await transaction.attempt(() => transaction.write(plan, changes, place));
      return;
    } catch (error) {
      if (!isRefused(error)) throw error;
      if (isOthersRow(error)) return this.#leaveOrRefuse(error, plan, place, transaction);
      const member = place.members.get(tenant);
      const fromTheFuture = member !== undefined && plan.position.lsn < member.settleLsn && isCollision(error);
      const writer = changes[0]?.[0];
      const [upsert] = upserts(changes, "refuse");
      const evicted =
        fromTheFuture &&
        writer !== undefined &&
        upsert !== undefined &&
        (await evict(transaction, writer, upsert, error)) !== undefined;
      if (!evicted) throw await refused(error);
    }
    await transaction
      .attempt(() => transaction.write(plan, changes, place))
      .catch(async (error: unknown) => {
        if (!isRefused(error)) throw error;
        if (!isOthersRow(error)) throw await refused(error);
        await this.#leaveOrRefuse(error, plan, place, transaction);
      });
  }

  /** Only what is not in the other tenant's row is written, where that row comes from later than the change. */
  async #leaveOrRefuse(error: ServerError, plan: Plan, place: Place, transaction: TargetTransaction): Promise<void> {
    const changes = this.#writers.inOrder(plan.changes);
    const tenant = plan.counts.keys().next().value ?? "";
    const owner = ownerOf(error);
    const aheadAt = owner === undefined ? undefined : await aheadTo(transaction, place, owner, plan.position);
    if (aheadAt === undefined) throw othersRow(tenant, plan.position, error, changes);
    await transaction
      .attempt(async () => {
        await transaction.write(plan, changes, place, "leave");
        transaction.noteNewer(place.members.get(tenant), aheadAt);
      })
      .catch((again: unknown) => {
        throw isRefused(again) ? othersRow(tenant, plan.position, again, changes) : again;
      });
  }

  /** A row that the target refuses stays as it was: it was different before somebody asked, and no reason for its tenant to stop. */
  async #applyReread(plan: Plan, changes: OrderedChanges, place: Place, transaction: TargetTransaction): Promise<void> {
    try {
      await transaction.attempt(async () => {
        await transaction.write(plan, changes, place);
        await transaction.checkDeferred();
      });
    } catch (error) {
      if (!isRefused(error)) throw error;
      for (const group of patches(changes)) await transaction.noteRefused(group, error);
    }
  }
}

/** In which of the transactions a step is. */
function transactionOf(planned: readonly Step[][], step: number): number {
  return planned.flatMap((steps, index) => steps.map(() => index))[step] ?? 0;
}

function byTransaction(messages: readonly IncomingMessage[]): IncomingMessage[][] {
  const transactions: IncomingMessage[][] = [];
  let current: IncomingMessage[] = [];
  for (const message of messages) {
    current.push(message);
    if (!message.isTxLast) continue;
    transactions.push(current);
    current = [];
  }
  return transactions;
}
