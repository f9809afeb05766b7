import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Entry, type Image, NetEffect } from "../../src/apply/net-effect.ts";

/** Two columns that TOAST may keep out of a message, and one that is always there. */
const COLUMNS = ["small", "big", "huge"] as const;
type Column = (typeof COLUMNS)[number];
type Row = Readonly<Record<Column, number>>;

/** A key belongs to one unit at a time; two units share the table, as in a pooled target. */
type Unit = "a" | "b";
type Message = { readonly unit: Unit; readonly before: string; readonly key: string; readonly after: Partial<Row> };
type Effect = NetEffect<Message, undefined>;

type Change =
  | { readonly kind: "insert"; readonly key: string; readonly unit: Unit; readonly lacks: readonly Column[] }
  | { readonly kind: "update"; readonly key: string; readonly lacks: readonly Column[] }
  | { readonly kind: "move"; readonly key: string; readonly to: string; readonly lacks: readonly Column[] }
  /** Every value is new, and one was too long for the message. */
  | { readonly kind: "long"; readonly key: string }
  | { readonly kind: "delete"; readonly key: string }
  | { readonly kind: "refresh"; readonly key: string; readonly unit: Unit }
  | { readonly kind: "truncate"; readonly units: readonly Unit[] };

type Stored = { readonly unit: Unit; readonly row: Row };
type Table = ReadonlyMap<string, Stored>;

const keys = fc.constantFrom("1", "2", "3", "4");
const lacks = fc.subarray<Column>(["big", "huge"]);
const units = fc.constantFrom<Unit[]>("a", "b");

const changes: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("insert" as const),
      key: keys,
      unit: units,
      lacks: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, lacks),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("update" as const), key: keys, lacks }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("move" as const), key: keys, to: keys, lacks }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("long" as const), key: keys }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), key: keys }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("refresh" as const), key: keys, unit: units }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("truncate" as const), units: fc.subarray<Unit>(["a", "b"], { minLength: 1 }) }),
  },
);

const START: Table = new Map<string, Stored>([
  ["1", { unit: "a", row: { small: -1, big: -2, huge: -3 } }],
  ["2", { unit: "b", row: { small: -4, big: -5, huge: -6 } }],
]);

/** Runs the changes on the source, one by one, and into the effect as the stream tells of them. What the source would not do is left out. */
function replay(sequence: readonly Change[], effect: Effect): Map<string, Stored> {
  const source = new Map(START);
  let value = 0;
  const written = (from: Row | undefined, lacking: readonly Column[]): { row: Row; after: Partial<Row> } => {
    value++;
    // What a message lacks is what the update left as it was; an insert's missing values stood in the row's old place.
    const of = (column: Column) =>
      lacking.includes(column) ? (from?.[column] ?? 1000 + value) : 10 * value + COLUMNS.indexOf(column);
    const row: Row = { small: of("small"), big: of("big"), huge: of("huge") };
    return {
      row,
      after: Object.fromEntries(COLUMNS.filter((column) => !lacking.includes(column)).map((column) => [column, row[column]])),
    };
  };
  const lacked = (columns: readonly Column[]) => (columns.length === 0 ? undefined : new Set<string>(columns));
  for (const change of sequence) {
    if (change.kind === "truncate") {
      for (const [key, { unit }] of source) if (change.units.includes(unit)) source.delete(key);
      effect.truncate(change.units);
      continue;
    }
    const there = source.get(change.key);
    const of = (unit: Unit, after: Partial<Row>, key = change.key): Message => ({ unit, before: change.key, key, after });
    switch (change.kind) {
      case "insert": {
        if (there !== undefined) break;
        const { row, after } = written(undefined, change.lacks);
        source.set(change.key, { unit: change.unit, row });
        effect.write(change.key, of(change.unit, after), undefined, lacked(change.lacks));
        break;
      }
      case "update": {
        if (there === undefined) break;
        const { row, after } = written(there.row, change.lacks);
        source.set(change.key, { unit: there.unit, row });
        effect.write(change.key, of(there.unit, after), undefined, lacked(change.lacks));
        break;
      }
      case "long": {
        if (there === undefined) break;
        const { row } = written(there.row, []);
        source.set(change.key, { unit: there.unit, row });
        const after = { small: row.small, big: row.big };
        effect.reread(change.key, of(there.unit, after), undefined, new Set(["huge"]));
        break;
      }
      case "move": {
        if (there === undefined || source.has(change.to)) break;
        const { row, after } = written(there.row, change.lacks);
        source.delete(change.key);
        source.set(change.to, { unit: there.unit, row });
        effect.move(change.key, change.to, of(there.unit, after, change.to), undefined, lacked(change.lacks));
        break;
      }
      case "refresh":
        effect.refresh(change.key, of(change.unit, {}), undefined);
        break;
      case "delete": {
        if (there === undefined) break;
        source.delete(change.key);
        effect.remove(change.key, of(there.unit, {}), undefined);
        break;
      }
    }
  }
  return source;
}

/** A column's value as the statements find it: in the image, or in the first one below that has it. */
function valueIn(image: Image<Message, undefined>, column: Column): number {
  const holder = image.lacks?.has(column) === true && image.under !== undefined ? undefined : image;
  if (holder === undefined && image.under !== undefined) return valueIn(image.under, column);
  const value = image.message.after[column];
  if (value === undefined) throw new Error(`${column} is nowhere in the chain`);
  return value;
}

/**
 * What a target does with the effect; `source` answers for rows that are read again. `meetsOthers`: it touches no row but those of the unit
 * that a change is of.
 */
function apply(effect: Effect, source: Table, meetsOthers: boolean): Map<string, Stored> {
  const target = new Map(START);
  const entries = [...effect.entries];
  const ofKind = <K extends Entry<Message, undefined>["kind"]>(...kinds: K[]) =>
    entries.filter((entry): entry is [string, Extract<Entry<Message, undefined>, { kind: K }>] =>
      kinds.some((kind) => kind === entry[1].kind),
    );
  const isAnothers = (key: string, { unit }: Message) => meetsOthers && (target.get(key)?.unit ?? unit) !== unit;
  const write = (key: string, message: Message, stored: Stored) => {
    if (isAnothers(key, message)) throw new Error(`a row of ${message.unit} would be written over another's`);
    target.set(key, stored);
  };
  const remove = (key: string, message: Message) => {
    if (!isAnothers(key, message)) target.delete(key);
  };
  const reread = (key: string, message: Message) => {
    const row = source.get(key);
    if (row !== undefined && (!meetsOthers || row.unit === message.unit)) write(key, message, row);
  };
  for (const [key, { unit }] of target) if (effect.truncated.has(unit)) target.delete(key);
  for (const { side, message } of effect.displaced) remove(side === "before" ? message.before : message.key, message);
  for (const [key, { image }] of ofKind("delete", "reread")) remove(key, image.message);
  for (const [key, { replaces, image }] of ofKind("refresh")) if (replaces) remove(key, image.message);
  for (const [key, { image, lacking }] of ofKind("patch")) {
    const there = target.get(key);
    if (there === undefined || isAnothers(key, image.message)) reread(key, image.message);
    else {
      const value = (column: Column) => (lacking.has(column) ? there.row[column] : valueIn(image, column));
      target.set(key, { unit: image.message.unit, row: { small: value("small"), big: value("big"), huge: value("huge") } });
    }
  }
  for (const [key, { image }] of ofKind("reread")) reread(key, image.message);
  for (const [key, { image }] of ofKind("refresh")) {
    const { unit } = image.message;
    if (target.get(key)?.unit === unit) target.delete(key);
    if (source.get(key)?.unit === unit) reread(key, image.message);
  }
  for (const [key, { image }] of ofKind("upsert")) {
    write(key, image.message, {
      unit: image.message.unit,
      row: { small: valueIn(image, "small"), big: valueIn(image, "big"), huge: valueIn(image, "huge") },
    });
  }
  return target;
}

const sorted = (table: Table) => Object.fromEntries([...table].sort(([a], [b]) => a.localeCompare(b)));

describe("the net effect of a run of changes", () => {
  it("is what the changes do one by one", () => {
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 25 }), (sequence) => {
        const effect: Effect = new NetEffect(({ unit }) => unit, false);
        const source = replay(sequence, effect);
        expect(sorted(apply(effect, source, false))).toEqual(sorted(source));
      }),
      { numRuns: 20_000 },
    );
  });

  it("is the same where nothing but a unit's own rows may be touched", () => {
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 25 }), (sequence) => {
        const effect: Effect = new NetEffect(({ unit }) => unit, true);
        const source = replay(sequence, effect);
        expect(sorted(apply(effect, source, true))).toEqual(sorted(source));
      }),
      { numRuns: 20_000 },
    );
  });

  it("reads nothing again as long as the rows stay where they are", () => {
    const still = changes.filter(
      (change) =>
        change.kind !== "move" &&
        change.kind !== "long" &&
        change.kind !== "refresh" &&
        !(change.kind === "insert" && change.lacks.length > 0),
    );
    fc.assert(
      fc.property(fc.array(still, { maxLength: 25 }), (sequence) => {
        const effect: Effect = new NetEffect(({ unit }) => unit, false);
        replay(sequence, effect);
        for (const { kind } of effect.entries.values()) expect(kind).not.toBe("reread");
      }),
    );
  });

  it("clears the place that a row, asked for again, moves to, though its unit is emptied afterwards", () => {
    const effect: Effect = new NetEffect(({ unit }) => unit, false);
    const source = replay(
      [
        { kind: "refresh", key: "1", unit: "a" },
        { kind: "move", key: "2", to: "3", lacks: [] },
        { kind: "move", key: "1", to: "2", lacks: ["huge"] },
        { kind: "truncate", units: ["a"] },
      ],
      effect,
    );
    expect(sorted(apply(effect, source, false))).toEqual(sorted(source));
  });

  it("never patches the row that was removed to make room for another", () => {
    const effect: Effect = new NetEffect(({ unit }) => unit, false);
    const source = replay(
      [
        { kind: "delete", key: "2" },
        { kind: "move", key: "1", to: "2", lacks: ["big"] },
      ],
      effect,
    );
    expect(effect.entries.get("2")?.kind).toBe("reread");
    expect(sorted(apply(effect, source, false))).toEqual({ 2: { unit: "a", row: { small: 10, big: -2, huge: 12 } } });
  });

  it("puts a row that is read again in the place of the one that moved away, whoever's that was", () => {
    const effect: Effect = new NetEffect(({ unit }) => unit, false);
    const source = replay(
      [
        { kind: "move", key: "1", to: "3", lacks: [] },
        { kind: "refresh", key: "2", unit: "b" },
        { kind: "move", key: "2", to: "1", lacks: ["huge"] },
        { kind: "truncate", units: ["b"] },
      ],
      effect,
    );
    expect(sorted(apply(effect, source, false))).toEqual(sorted(source));
  });

  it("leaves the rows of others in a table when one unit's are truncated", () => {
    const effect: Effect = new NetEffect(({ unit }) => unit, false);
    replay(
      [
        { kind: "update", key: "1", lacks: [] },
        { kind: "update", key: "2", lacks: [] },
        { kind: "truncate", units: ["a"] },
      ],
      effect,
    );
    expect([...effect.truncated]).toEqual(["a"]);
    expect([...effect.entries].map(([key, { kind }]) => [key, kind])).toEqual([
      ["1", "delete"],
      ["2", "upsert"],
    ]);
  });

  it("keeps what a unit wrote after its own truncate when another's follows", () => {
    const effect: Effect = new NetEffect(({ unit }) => unit, false);
    replay(
      [
        { kind: "truncate", units: ["a"] },
        { kind: "insert", key: "3", unit: "a", lacks: [] },
        { kind: "truncate", units: ["b"] },
      ],
      effect,
    );
    expect([...effect.entries].map(([key, { kind }]) => [key, kind])).toEqual([["3", "upsert"]]);
  });
});
