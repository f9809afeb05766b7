import { describe, expect, it, vi } from "vitest";
import { Acknowledger } from "../../src/capture/acknowledger.ts";
import { parseBeat } from "../../src/capture/beat.ts";
import { Gate } from "../../src/capture/gate.ts";
import { Intake } from "../../src/capture/intake.ts";
import { NoteMaker } from "../../src/capture/notes.ts";
import { Outbox } from "../../src/capture/outbox.ts";
import { Publisher } from "../../src/capture/publisher.ts";
import { asLsn, type Lsn } from "../../src/model/position.ts";
import type { OutgoingMessage, StreamMessage } from "../../src/ports.ts";
import { relation, tuple } from "./support.ts";

describe("the acknowledger", () => {
  it("takes a keepalive's word only when nothing is under way, and answers at once when asked", () => {
    const told: Lsn[] = [];
    let idle = false;
    const one = new Acknowledger({ flushed: asLsn(100n), send: (lsn) => told.push(lsn), isIdle: () => idle });
    one.keepalive(asLsn(500n), false);
    expect(told).toEqual([]);
    one.keepalive(asLsn(500n), true);
    expect(told).toEqual([100n]);
    idle = true;
    one.keepalive(asLsn(500n), false);
    expect(told).toEqual([100n, 500n]);
  });

  it("never goes back", () => {
    const told: Lsn[] = [];
    const one = new Acknowledger({ flushed: asLsn(500n), send: (lsn) => told.push(lsn), isIdle: () => true });
    one.durable(asLsn(400n));
    one.keepalive(asLsn(300n), true);
    expect(told).toEqual([500n, 500n]);
  });
});

describe("the publisher", () => {
  it("acknowledges a commit when all of its messages are durable, and not before", async () => {
    const { outbox, publisher, sends, durable, stop } = publishing();
    outbox.push(message(0));
    await vi.waitFor(() => expect(sends.length).toBe(1));
    outbox.push(message(1));
    outbox.commit(asLsn(10n));
    sends[0]?.resolve(new Map([[0, 1n]]));
    await vi.waitFor(() => expect(sends.length).toBe(2));
    expect(durable).toEqual([]);
    expect(publisher.isIdle).toBe(false);
    sends[1]?.resolve(new Map([[1, 1n]]));
    await vi.waitFor(() => expect(durable).toEqual([10n]));
    expect(publisher.isIdle).toBe(true);
    await stop();
  });

  it("has one send under way, and gathers meanwhile", async () => {
    const { outbox, sends, stop } = publishing();
    outbox.push(message(0));
    await vi.waitFor(() => expect(sends.length).toBe(1));
    for (let i = 0; i < 50; i += 1) outbox.push(message(0));
    expect(sends.length).toBe(1);
    sends[0]?.resolve(new Map());
    await vi.waitFor(() => expect(sends.map((send) => send.messages)).toEqual([1, 50]));
    sends[1]?.resolve(new Map());
    await stop();
  });

  it("acknowledges a transaction that published nothing, in its turn", async () => {
    const { outbox, sends, durable, stop } = publishing();
    outbox.push(message(0));
    outbox.commit(asLsn(10n));
    outbox.commit(asLsn(20n));
    await vi.waitFor(() => expect(sends.length).toBe(1));
    outbox.commit(asLsn(30n));
    expect(durable).toEqual([]);
    sends[0]?.resolve(new Map());
    await vi.waitFor(() => expect(durable).toEqual([20n, 30n]));
    await stop();
  });

  it("notes a beat with what Kafka had confirmed before the beat's batch was sent", async () => {
    const { outbox, sends, beats, stop } = publishing([5n, 7n]);
    const beat = { xid: 1n, emittedAtMs: 0, run: "ab", number: 1 };
    outbox.push(message(0));
    await vi.waitFor(() => expect(sends.length).toBe(1));
    outbox.push(message(1));
    outbox.beat(beat, asLsn(9n));
    outbox.commit(asLsn(10n));
    sends[0]?.resolve(new Map([[0, 6n]]));
    await vi.waitFor(() => expect(sends.length).toBe(2));
    sends[1]?.resolve(new Map([[1, 8n]]));
    await vi.waitFor(() => expect(beats).toEqual([{ beat, lsn: 9n, offsetsBefore: [6n, 7n] }]));
    await stop();
  });
});

describe("the outbox", () => {
  it("is full at a bound of messages or bytes, and has room again at half of it", async () => {
    const outbox = new Outbox();
    const signal = new AbortController().signal;
    while (!outbox.isFull) outbox.push(message(0, 1024 * 1024));
    let taken = 0;
    for (; !outbox.hasRoom; taken += 1) await outbox.take(signal);
    expect(taken).toBeGreaterThan(0);
    while (!outbox.isFull) outbox.push(message(0));
    expect(outbox.isFull).toBe(true);
  });
});

describe("notes", () => {
  const beat = (number: number, run = "ab") => ({ xid: BigInt(700 + number), emittedAtMs: 0, run, number });

  it("join the xid of a beat with the offsets of the one before", () => {
    const notes = new NoteMaker("ab");
    expect(notes.beat(beat(1), asLsn(1n), [1n])).toBeUndefined();
    expect(notes.beat(beat(2), asLsn(2n), [5n])).toEqual({ lsn: 2n, xidCeiling: 702n, offsets: [1n] });
    expect(notes.beat(beat(3), asLsn(3n), [9n])).toEqual({ lsn: 3n, xidCeiling: 703n, offsets: [5n] });
  });

  it("are not made over a gap", () => {
    const notes = new NoteMaker("ab");
    notes.beat(beat(1), asLsn(1n), [1n]);
    expect(notes.beat(beat(3), asLsn(3n), [3n])).toBeUndefined();
  });

  it("are not made of an earlier run's beats, which come again when what is behind them is in the topic already", () => {
    const notes = new NoteMaker("ab");
    expect(notes.beat(beat(7, "cd"), asLsn(1n), [9n])).toBeUndefined();
    expect(notes.beat(beat(8, "cd"), asLsn(2n), [9n])).toBeUndefined();
    expect(notes.beat(beat(1), asLsn(3n), [9n])).toBeUndefined();
    expect(notes.beat(beat(2), asLsn(4n), [12n])).toEqual({ lsn: 4n, xidCeiling: 702n, offsets: [9n] });
  });
});

describe("a beat's text", () => {
  it("is of this migration alone", () => {
    expect(parseBeat("beat:move-it:750:1700:ab:3", "move-it")).toEqual({ xid: 750n, emittedAtMs: 1700, run: "ab", number: 3 });
    for (const other of ["beat:move-it-2:750:1700:ab:3", "beat:move-it:x", "mark:move-it"])
      expect(parseBeat(other, "move-it")).toBeUndefined();
  });
});

describe("the intake", () => {
  it("keeps what follows a new shape until the shape is learned, in order, though the stream reuses its buffers", async () => {
    const shape = relation("orders", ["id"]);
    const learned = new Gate();
    const taken: string[] = [];
    const calls: string[] = [];
    const intake = new Intake({
      tables: { knows: () => false, learn: () => learned.promise },
      take: (one) =>
        taken.push(one.kind === "insert" ? one.after.bytes.toString("utf8", one.after.starts[0], one.after.ends[0]) : one.kind),
      isFull: () => false,
      pause: () => calls.push("pause"),
      resume: () => calls.push("resume"),
      fail: (error) => calls.push(String(error)),
    });
    const reused = tuple("1");
    const row: StreamMessage = { kind: "insert", relation: shape, after: reused };
    intake.message({ kind: "relation", relation: shape });
    intake.message(row);
    reused.bytes.write("2", 25);
    intake.message(row);
    reused.bytes.write("9", 25);
    expect([taken, calls, intake.isIdle]).toEqual([[], ["pause"], false]);
    learned.open();
    await vi.waitFor(() => expect(taken).toEqual(["1", "2"]));
    expect([calls, intake.isIdle]).toEqual([["pause", "resume"], true]);
  });

  it("pauses the stream while the queue is full", () => {
    const calls: string[] = [];
    let full = true;
    const intake = new Intake({
      tables: { knows: () => true, learn: () => Promise.resolve() },
      take: () => undefined,
      isFull: () => full,
      pause: () => calls.push("pause"),
      resume: () => calls.push("resume"),
      fail: () => undefined,
    });
    const row: StreamMessage = { kind: "commit", lsn: asLsn(1n), endLsn: asLsn(2n) };
    intake.message(row);
    intake.message(row);
    full = false;
    intake.roomy();
    intake.roomy();
    expect(calls).toEqual(["pause", "resume"]);
  });
});

type Send = { readonly messages: number; resolve(next: ReadonlyMap<number, bigint>): void };

function publishing(next: bigint[] = [0n, 0n]) {
  const outbox = new Outbox();
  const sends: Send[] = [];
  const durable: Lsn[] = [];
  const beats: object[] = [];
  const producer = {
    publish: (messages: readonly OutgoingMessage[]) =>
      new Promise<ReadonlyMap<number, bigint>>((resolve) => sends.push({ messages: messages.length, resolve })),
    close: () => Promise.resolve(),
  };
  const publisher = new Publisher(outbox, producer, next);
  const abort = new AbortController();
  const run = publisher.run(
    {
      taken: () => undefined,
      durable: (lsn) => durable.push(lsn),
      beat: (beat, lsn, offsetsBefore) => beats.push({ beat, lsn, offsetsBefore }),
    },
    abort.signal,
  );
  const stop = async () => {
    abort.abort();
    await run;
  };
  return { outbox, publisher, sends, durable, beats, stop };
}

function message(partition: number, bytes = 1): OutgoingMessage {
  return { partition, key: Buffer.alloc(0), value: Buffer.alloc(bytes), headers: {} };
}
