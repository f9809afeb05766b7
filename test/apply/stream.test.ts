import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Scene } from "./support/scene.ts";
import { table } from "./support/tables.ts";
import { type Change, UNCHANGED, type Value, type Values } from "./support/topic.ts";

/**
 * A small source of two tenants in two tables, run one change at a time on plain Maps, and its stream through a lane into a real
 * target: after every round the two are the same.
 */
const TABLES = ["public.parents", "public.children"] as const;
const TENANTS = ["a", "b"] as const;
type Tenant = (typeof TENANTS)[number];
type Row = readonly [tenant: string, name: string, body: string];

const COLUMNS = ["id bigint", "tenant_id text", "name text", "body text"];
const mappings = [table({ name: "children", columns: COLUMNS }), table({ name: "parents", columns: COLUMNS })];
const DDL = TABLES.map(
  (name) => `CREATE TABLE ${name} (id bigint PRIMARY KEY, tenant_id text, name text, body text, UNIQUE (tenant_id, name));`,
).join("");

type Step =
  | {
      readonly do: "write" | "update" | "delete" | "hand over";
      readonly table: number;
      readonly id: number;
      readonly tenant: number;
      readonly name: number;
      readonly lacks: boolean;
    }
  | { readonly do: "move"; readonly table: number; readonly id: number; readonly to: number; readonly lacks: boolean }
  | { readonly do: "truncate"; readonly table: number };

const id = fc.integer({ min: 1, max: 8 });
const which = fc.nat({ max: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constantFrom("write" as const, "update" as const, "update" as const, "delete" as const, "hand over" as const),
      table: which,
      id,
      tenant: which,
      name: fc.nat({ max: 9 }),
      lacks: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("move" as const), table: which, id, to: id, lacks: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("truncate" as const), table: which }) },
);
/** Rounds of transactions of steps; the lane has caught up between rounds. */
const rounds = fc.array(fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 5 }), {
  minLength: 1,
  maxLength: 3,
});

class Source {
  readonly tables = TABLES.map(() => new Map<number, Row>());
  #bodies = 0;

  /** The changes that the stream tells of; none for a step that the source would refuse. */
  run(step: Step): Change[] {
    const rows = this.tables[step.table] ?? new Map<number, Row>();
    const name = TABLES[step.table] ?? "";
    if (step.do === "truncate") {
      rows.clear();
      return [{ op: "truncate", table: name }];
    }
    const there = rows.get(step.id);
    const key = (of: number, tenant: string): Values => [`${of}`, tenant, null, null];
    const image = (of: number, [tenant, title, body]: Row, body2: Value = body): Values => [`${of}`, tenant, title, body2];
    if (step.do === "move") {
      if (there === undefined || rows.has(step.to)) return [];
      rows.delete(step.id);
      rows.set(step.to, there);
      return [
        {
          op: "update",
          table: name,
          tenant: there[0],
          before: key(step.id, there[0]),
          after: image(step.to, there, step.lacks ? UNCHANGED : there[2]),
        },
      ];
    }
    const isTaken = (tenant: string, title: string) =>
      [...rows].some(([of, row]) => of !== step.id && row[0] === tenant && row[1] === title);
    const tenant: Tenant = TENANTS[step.tenant] ?? "a";
    const title = `n${step.name}`;
    switch (step.do) {
      case "write": {
        if (there !== undefined || isTaken(tenant, title)) return [];
        const row: Row = [tenant, title, `body ${++this.#bodies}`];
        rows.set(step.id, row);
        return [{ op: "insert", table: name, tenant, after: image(step.id, row) }];
      }
      case "update": {
        if (there === undefined || isTaken(there[0], title)) return [];
        const row: Row = [there[0], title, step.lacks ? there[2] : `body ${++this.#bodies}`];
        rows.set(step.id, row);
        return [{ op: "update", table: name, tenant: row[0], after: image(step.id, row, step.lacks ? UNCHANGED : row[2]) }];
      }
      case "delete": {
        if (there === undefined) return [];
        rows.delete(step.id);
        return [{ op: "delete", table: name, tenant: there[0], before: key(step.id, there[0]) }];
      }
      case "hand over": {
        if (there === undefined || there[0] === tenant || isTaken(tenant, there[1])) return [];
        const row: Row = [tenant, there[1], there[2]];
        rows.set(step.id, row);
        return [
          { op: "delete", table: name, tenant: there[0], before: key(step.id, there[0]) },
          { op: "insert", table: name, tenant, after: image(step.id, row, step.lacks ? UNCHANGED : row[2]) },
        ];
      }
    }
  }

  dump(): string[] {
    return this.tables.flatMap((rows, index) =>
      [...rows].sort(([x], [y]) => x - y).map(([of, row]) => [index, of, ...row].join(" ")),
    );
  }
}

/** The real source, for rows that are read again: it is as far as the stream. */
function sourceRows(source: Source): string {
  const rows = (index: number) =>
    [...(source.tables[index] ?? [])].map(([of, row]) => `(${of}, '${row[0]}', '${row[1]}', '${row[2]}')`);
  return TABLES.map((name, index) => {
    const values = rows(index);
    return `DELETE FROM ${name};${values.length === 0 ? "" : `INSERT INTO ${name} VALUES ${values.join(", ")};`}`;
  }).join("");
}

describe.each([
  {
    layout: "a schema per tenant",
    schemaTemplate: "t_{tenant}",
    target: TENANTS.map((tenant) => `CREATE SCHEMA t_${tenant};${DDL.replaceAll("public.", `t_${tenant}.`)}`).join(""),
  },
  { layout: "a pooled target", schemaTemplate: undefined, target: DDL },
])("any stream into $layout", ({ schemaTemplate, target }) => {
  it("leaves what the source has", async () => {
    await using scene = await Scene.open({
      tables: mappings,
      source: DDL,
      target,
      ...(schemaTemplate === undefined ? {} : { schemaTemplate }),
    });
    const schemas = schemaTemplate === undefined ? ["public"] : TENANTS.map((tenant) => `t_${tenant}`);
    const all = schemas
      .flatMap((schema) =>
        TABLES.map((name, index) => `SELECT ${index} AS t, id, tenant_id, name, body FROM ${name.replace("public", schema)}`),
      )
      .join(" UNION ALL ");
    await scene.join(TENANTS.map((tenant) => ({ tenant })));
    scene.apply();
    let xid = 100;
    await fc.assert(
      fc.asyncProperty(rounds, fc.integer({ min: 1, max: 12 }), async (stream, fetch) => {
        scene.topic.fetch = fetch;
        const source = new Source();
        scene.topic.commit(
          xid++,
          TABLES.map((name) => ({ op: "truncate" as const, table: name })),
        );
        for (const round of stream) {
          const transactions = round.map((steps) => steps.flatMap((one) => source.run(one)));
          await scene.source.query(sourceRows(source));
          for (const changes of transactions) if (changes.length > 0) scene.topic.commit(xid++, changes);
          scene.topic.beat();
          await scene.caughtUp();
          expect(await scene.rows(`${all} ORDER BY 1, 2`)).toEqual(source.dump());
        }
      }),
      { numRuns: 60, endOnFailure: true },
    );
    expect(await scene.rows("SELECT stopped FROM rehouse.tenant WHERE stopped IS NOT NULL")).toEqual([]);
  });
});
