import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SourceColumn, TableMapping, TargetColumn } from "../../src/model/mapping.ts";
import type { Session } from "../../src/ports.ts";
import { waitUntil } from "../support/index.ts";
import { Scene } from "./support/scene.ts";
import { type RowChange, UNCHANGED, type Values } from "./support/topic.ts";

/** Orders stay where they are: `state` takes the place of `status`, `total` of `cents`, `head` is made of a value that the stream often lacks. */
const ORDERS: TableMapping = {
  source: { schema: "public", table: "orders" },
  kind: "tenant",
  tenantColumn: "tenant_id",
  fixed: undefined,
  sourceColumns: ["tenant_id int", "id bigint", "status text", "cents numeric", "body text"].map((column): SourceColumn => {
    const [name = "", type = ""] = column.split(" ");
    return { name, type, notNull: false, generated: false };
  }),
  key: ["id"],
  targetKey: ["id"],
  sourceKey: ["id"],
  targetTable: "orders",
  targetSchema: undefined,
  columns: [
    plain("tenant_id", "tenant_id", "integer"),
    plain("id", "id", "bigint"),
    plain("state", "status", "text"),
    { name: "total", type: "numeric", expression: "cents / 100.0", uses: ["cents"], plain: undefined },
    { name: "head", type: "text", expression: "left(body, 3)", uses: ["body"], plain: undefined },
  ],
  initial: [],
  inPlace: { old: ["status", "cents"] },
};

function plain(name: string, from: string, type: string): TargetColumn {
  return { name, type, expression: `"orders"."${from}"`, uses: [from], plain: from };
}

const SQL = `CREATE TABLE public.orders (tenant_id int, id bigint PRIMARY KEY, status text, cents numeric, body text, state text, total numeric, head text);
  INSERT INTO public.orders SELECT 1 + n % 2, n, 'new', n * 100, 'body ' || n FROM generate_series(1, 9) AS n;`;

const change = (op: RowChange["op"], tenant: number, id: number): RowChange => {
  const row: Values = [String(tenant), String(id), "as of the change", "0", UNCHANGED];
  return { op, table: "public.orders", tenant: String(tenant), ...(op === "delete" ? { before: row } : { after: row }) };
};
const insert = (tenant: number, id: number): RowChange => ({
  op: "insert",
  table: "public.orders",
  tenant: String(tenant),
  after: [String(tenant), String(id), "as of the change", "0", ""],
});

describe("a table whose new columns are in the table itself", () => {
  let scene: Scene;
  beforeEach(async () => {
    scene = await Scene.open({ tables: [ORDERS], target: SQL, inOneDatabase: true });
    await scene.join([{ tenant: "1" }, { tenant: "2" }]);
  });
  afterEach(() => scene[Symbol.asyncDispose]());

  const all = () => scene.rows("SELECT id, state, round(total, 1) AS total, head FROM public.orders ORDER BY id");
  const one = async (id: number) => (await scene.rows(`SELECT state FROM public.orders WHERE id = ${id}`))[0];
  const session = async (body: (session: Session) => Promise<void>) => {
    const opened = await scene.source.connect({ name: "application" });
    try {
      await body(opened);
    } finally {
      await opened.close(true);
    }
  };

  it("has them made of the row as it is, whatever the change says and lacks; no row comes or goes", async () => {
    scene.apply();
    scene.topic.commit(5, [
      // Of rows that have come back since.
      { op: "truncate", table: "public.orders" },
      change("update", 2, 1),
      change("update", 1, 2),
      change("delete", 2, 3),
      insert(1, 40), // deleted since
      change("update", 1, 4),
    ]);
    await scene.caughtUp();
    expect(await all()).toEqual([
      "1 new 1.0 bod",
      "2 new 2.0 bod",
      "3 null null null",
      "4 new 4.0 bod",
      ...[5, 6, 7, 8, 9].map((id) => `${id} null null null`),
    ]);
  });

  it("is written where a text differs, and only there", async () => {
    await scene.target.query(
      "UPDATE public.orders SET cents = 100.0, state = status, total = 1, head = 'bod' WHERE id = 1; UPDATE public.orders SET state = status, total = cents / 100.0, head = left(body, 3) WHERE id = 2",
    );
    const versions = () => scene.rows("SELECT id, xmin FROM public.orders WHERE id <= 2 ORDER BY id");
    const before = await versions();
    scene.apply();
    scene.topic.commit(5, [change("update", 2, 1), change("update", 1, 2)]);
    await scene.caughtUp();
    expect(await scene.rows("SELECT total::text = (cents / 100.0)::text FROM public.orders WHERE id = 1")).toEqual(["t"]);
    const after = await versions();
    expect([after[0] === before[0], after[1] === before[1]]).toEqual([false, true]);
    // What is equal leaves nothing to write: a change of ours that came back would be the last.
    scene.topic.commit(6, [change("update", 2, 1), change("update", 1, 2)]);
    await scene.caughtUp();
    expect(await versions()).toEqual(after);
  });

  it("leaves a row alone that is another tenant's by now", async () => {
    scene.apply();
    scene.topic.commit(5, [change("update", 1, 1), change("update", 1, 2)]);
    await scene.caughtUp();
    expect([await one(1), await one(2)]).toEqual(["null", "new"]);
  });

  it("waits for a commit that is in the stream and not visible yet", async () => {
    await session(async (application) => {
      await application.query(
        "BEGIN; UPDATE public.orders SET state = status, total = cents / 100.0, head = left(body, 3) WHERE id = 1; COMMIT",
      );
      await application.query("BEGIN; UPDATE public.orders SET status = 'paid' WHERE id = 1");
      const [row] = await application.query("SELECT pg_current_xact_id()::text AS xid");
      scene.apply();
      const before = await scene.lane();
      scene.topic.commit(Number(row?.["xid"]), [change("update", 2, 1)]);
      await waitUntil(async () => (await scene.sessions()).length > 0, { deadlineMs: 10_000, what: "the lane to have begun" });
      expect((await scene.lane())?.["next_offset"]).toBe(before?.["next_offset"]);
      await application.query("COMMIT");
      await scene.caughtUp();
      expect(await one(1)).toBe("paid");
    });
  });

  it("passes over what the application holds, so that neither waits for the other's next row", async () => {
    await session(async (application) => {
      await application.query("BEGIN; SELECT FROM public.orders WHERE id = 2 FOR UPDATE");
      scene.apply();
      scene.topic.commit(
        5,
        [1, 2, 3, 4, 5].map((id) => change("update", 1 + (id % 2), id)),
      );
      await waitUntil(async () => (await one(5)) === "new", { deadlineMs: 10_000, what: "the rows that are free" });
      const began = performance.now();
      for (const id of [5, 4, 3, 1]) await application.query(`UPDATE public.orders SET status = 'mine' WHERE id = ${id}`);
      expect(performance.now() - began).toBeLessThan(500);
      expect(await one(2)).toBe("null");
      await application.query("COMMIT");
      await scene.caughtUp();
      expect(await one(2)).toBe("new");
    });
  });

  it("is not written by a lane whose tenants have changed while it waited", async () => {
    await session(async (application) => {
      await application.query("BEGIN; SELECT FROM public.orders WHERE id IN (1, 2) FOR UPDATE");
      scene.apply();
      scene.topic.commit(5, [change("update", 2, 1), change("update", 1, 2), change("update", 2, 3)]);
      await waitUntil(async () => (await one(3)) === "new", { deadlineMs: 10_000, what: "the row that is free" });
      // Tenant 2 has left: its new columns are its own from here on.
      await scene.target.query(
        "UPDATE rehouse.tenant SET left_lsn = '0/1' WHERE tenant = '2'; UPDATE rehouse.lane SET membership = membership + 1",
      );
      await application.query("UPDATE public.orders SET state = 'its own' WHERE id = 1; COMMIT");
      await scene.caughtUp();
      expect([await one(1), await one(2)]).toEqual(["its own", "new"]);
    });
  });

  it("stops one tenant where an expression fails over a row, and goes on once the row is mended", async () => {
    await scene.target.query(
      "ALTER TABLE public.orders ADD CONSTRAINT small CHECK (total < 50); UPDATE public.orders SET cents = 9999 WHERE id = 1",
    );
    scene.apply();
    scene.topic.commit(5, [change("update", 1, 2), change("update", 2, 1)]);
    scene.topic.commit(6, [change("update", 1, 4)]);
    expect(await scene.stopped("2")).toMatchObject({ code: "REHOUSE_CHANGE_REFUSED" });
    await scene.caughtUp();
    expect([await one(1), await one(2), await one(4)]).toEqual(["null", "new", "new"]);
  });
});
