import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FULL_MESSAGES, Inbox, MOST_BYTES, MOST_MESSAGES, type Segment } from "../../src/apply/inbox.ts";
import { asLsn, START } from "../../src/model/position.ts";
import type { IncomingBatch, IncomingMessage } from "../../src/ports.ts";

const never = new AbortController().signal;

/** Transactions of these sizes, one message an offset from 0 on. */
function messagesOf(transactions: readonly { readonly size: number; readonly bytes: number }[]): IncomingMessage[] {
  const messages: IncomingMessage[] = [];
  for (const [transaction, { size, bytes }] of transactions.entries()) {
    const value = Buffer.alloc(bytes);
    for (let index = 0; index < size; index++) {
      const last = index === size - 1;
      messages.push({
        offset: messages.length,
        value,
        position: { lsn: asLsn(BigInt(transaction + 1)), ordinal: index + 1 },
        tenant: "a",
        isTxLast: last,
        unavailable: undefined,
      });
    }
  }
  return messages;
}

/** The messages from index `from` to `to`, as a reader hands them out. */
function batch(messages: readonly IncomingMessage[], from = 0, to = messages.length): IncomingBatch {
  return { from, next: Math.min(to, messages.length), messages: messages.slice(from, to) };
}

const offsets = (segment: Segment) => segment.messages.map((message) => message.offset);
const isLast = (message: IncomingMessage | undefined) => message?.isTxLast === true;

/** What {@link Inbox.take} gives now, or undefined when it would wait for more. */
async function takeNow(inbox: Inbox): Promise<Segment | undefined> {
  const stop = new AbortController();
  const taken = inbox.take(stop.signal);
  stop.abort();
  return taken.catch(() => undefined);
}

const someTransactions = fc.array(fc.record({ size: fc.integer({ min: 1, max: 9 }), bytes: fc.constant(10) }), {
  minLength: 1,
  maxLength: 30,
});

describe("an inbox", () => {
  it("hands out each offset once and in order, whatever comes twice, too late or with a gap", async () => {
    await fc.assert(
      fc.asyncProperty(
        someTransactions,
        fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.integer({ min: 1, max: 25 }))),
        async (transactions, fetches) => {
          const messages = messagesOf(transactions);
          const inbox = new Inbox();
          inbox.expect(0n, START);
          const taken: number[] = [];
          const drain = async () => {
            for (let segment = await takeNow(inbox); segment !== undefined; segment = await takeNow(inbox)) {
              expect(segment.complete).toBe(true);
              expect(isLast(segment.messages.at(-1))).toBe(true);
              taken.push(...offsets(segment));
            }
          };
          let sought = 0;
          for (const [at, length] of fetches) {
            const from = Math.floor(at * messages.length);
            const gap = inbox.push(batch(messages, from, from + length));
            expect(gap).toBe(from > sought ? BigInt(sought) : undefined);
            if (gap === undefined) sought = Math.max(sought, Math.min(messages.length, from + length));
            expect(inbox.expected).toBe(BigInt(sought));
            await drain();
          }
          inbox.push(batch(messages, sought));
          await drain();
          expect(taken).toEqual(messages.map((_, index) => index));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("cuts a transaction only when it alone is beyond the bounds, and never waits with its reader paused", async () => {
    const sizes = fc.oneof(
      fc.record({ size: fc.integer({ min: 1, max: 60 }), bytes: fc.constantFrom(1, 1000) }),
      fc.record({ size: fc.integer({ min: Math.round(MOST_MESSAGES / 3), max: 3 * MOST_MESSAGES }), bytes: fc.constant(1) }),
      fc.record({ size: fc.integer({ min: 1, max: 60 }), bytes: fc.integer({ min: 100_000, max: 1_000_000 }) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(sizes, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 3_000 }),
        async (transactions, fetch) => {
          const messages = messagesOf(transactions);
          const inbox = new Inbox();
          inbox.expect(0n, START);
          let read = 0;
          let taken = 0;
          let isPaused = false;
          let isOpen = false;
          while (taken < messages.length) {
            // As a lane does it: paused when full, resumed before the next take when there is room.
            while (!isPaused && read < messages.length) {
              inbox.push(batch(messages, read, read + fetch));
              read = Math.min(messages.length, read + fetch);
              isPaused = inbox.isFull;
            }
            const segment = await takeNow(inbox);
            if (segment === undefined) {
              expect(inbox.hasRoom).toBe(true);
              expect(read).toBeLessThan(messages.length);
            } else {
              expect(segment.messages.length).toBeLessThanOrEqual(MOST_MESSAGES);
              expect(segment.complete).toBe(isLast(segment.messages.at(-1)));
              // A piece holds no end of a transaction, so that what it belongs to is committed as one.
              if (!segment.complete) expect(segment.messages.some(isLast)).toBe(false);
              if (!segment.complete)
                expect(
                  segment.messages.length === MOST_MESSAGES ||
                    segment.messages.reduce((sum, message) => sum + message.value.length, 0) >= MOST_BYTES,
                ).toBe(true);
              isOpen = !segment.complete;
              taken += segment.messages.length;
            }
            if (isPaused && inbox.hasRoom) isPaused = false;
          }
          expect(isOpen).toBe(false);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("waits with its reader at work when a whole transaction leaves much of the next one behind", async () => {
    const whole = FULL_MESSAGES - MOST_MESSAGES + 1;
    const messages = messagesOf([
      { size: whole, bytes: 1 },
      { size: 2 * FULL_MESSAGES, bytes: 1 },
    ]);
    const inbox = new Inbox();
    inbox.expect(0n, START);
    inbox.push(batch(messages, 0, FULL_MESSAGES));
    expect(inbox.isFull).toBe(true);
    expect((await inbox.take(never)).messages).toHaveLength(whole);
    expect(await takeNow(inbox)).toBeUndefined();
    expect(inbox.hasRoom).toBe(true);
  });

  it("takes nothing before it knows its place", () => {
    const inbox = new Inbox();
    expect(inbox.push(batch(messagesOf([{ size: 2, bytes: 1 }])))).toBeUndefined();
    expect(inbox.expected).toBeUndefined();
  });

  it("forgets what it holds when it is told a new place", async () => {
    const messages = messagesOf([
      { size: 2, bytes: 1 },
      { size: 2, bytes: 1 },
    ]);
    const inbox = new Inbox();
    inbox.expect(0n, START);
    inbox.push(batch(messages, 0, 3));
    inbox.expect(2n, { lsn: asLsn(1n), ordinal: 2 });
    expect(inbox.push(batch(messages))).toBeUndefined();
    expect(offsets(await inbox.take(never))).toEqual([2, 3]);
  });

  it("passes over offsets that the topic holds no message at", async () => {
    const [first, second] = messagesOf([
      { size: 1, bytes: 1 },
      { size: 1, bytes: 1 },
    ]);
    if (first === undefined || second === undefined) throw new Error("two messages were made");
    const inbox = new Inbox();
    inbox.expect(0n, START);
    inbox.push({ from: 0, next: 7, messages: [first] });
    expect(inbox.expected).toBe(7n);
    inbox.push({ from: 7, next: 9, messages: [{ ...second, offset: 8 }] });
    expect(offsets(await inbox.take(never))).toEqual([0, 8]);
    expect(inbox.expected).toBe(9n);
  });

  it("leaves out what is repeated: the end of an earlier transaction is not the end of the one that it comes again in", async () => {
    const [a1, a2, b1, b2] = messagesOf([
      { size: 2, bytes: 1 },
      { size: 2, bytes: 1 },
    ]);
    const stream = [a1, a2, b1, a1, a2, b1, b2].flatMap((message, offset) =>
      message === undefined ? [] : { ...message, offset },
    );
    const inbox = new Inbox();
    inbox.expect(1n, { lsn: asLsn(1n), ordinal: 1 });
    inbox.push(batch(stream, 1, 3));
    expect(offsets(await inbox.take(never))).toEqual([1]);
    inbox.push(batch(stream, 3, 6));
    expect(await takeNow(inbox)).toBeUndefined();
    inbox.push(batch(stream, 6));
    expect(offsets(await inbox.take(never))).toEqual([2, 6]);
  });

  it("wakes who waits with the end of a transaction", async () => {
    const messages = messagesOf([{ size: 2, bytes: 1 }]);
    const inbox = new Inbox();
    inbox.expect(0n, START);
    const taken = inbox.take(never);
    inbox.push(batch(messages, 0, 1));
    inbox.push(batch(messages, 1));
    expect(offsets(await taken)).toEqual([0, 1]);
  });

  it("lets go of who waits when the lane ends", async () => {
    const stop = new AbortController();
    const inbox = new Inbox();
    inbox.expect(0n, START);
    const taken = inbox.take(stop.signal);
    stop.abort(new Error("the lane ends"));
    await expect(taken).rejects.toThrow("the lane ends");
  });
});
