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
import { type OrderedChanges, patches, upserts } from "./statements.ts";
import type { TargetTransaction } from "./target-transaction.ts";
import type { Writers } from "./writers.ts";

export class ExactReplay {
  readonly #planner: Planner;
  readonly #writers: Writers;

  constructor(planner: Planner, writers: Writers) {
    this.#planner = planner;
    this.#writers = writers;
  }

  /**
   * Source transaction by source transaction, in the order of the stream; one that is refused as a set, change by change. As few of a segment
   * are in each other's way as a rule, those that went well are followed by twice as many at once.
   */
  async apply(segment: Segment, from: Plan, place: Place, transaction: TargetTransaction): Promise<Plan> {
    if (!segment.complete) return this.#applyEach(segment.messages, from, place, transaction);
    const transactions = byTransaction(segment.messages);
    let at = from;
    let current = place;
    for (let done = 0, size = 1; done < transactions.length; ) {
      const group = transactions.slice(done, done + size).flat();
      const applied = await this.#applyGroup(group, at, current, transaction);
      if (applied === undefined && size > 1) {
        size = 1;
        continue;
      }
      at = applied ?? (await this.#applyEach(group, at, current, transaction));
      current = { ...current, nextOffset: at.nextOffset, position: at.position };
      done += size;
      size = applied === undefined ? 1 : size * 2;
    }
    return at;
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
        await transaction.noteNewer(place.members.get(tenant), aheadAt);
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
