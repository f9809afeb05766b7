import { describe, expect, it } from "vitest";
import { parseLsn } from "../../src/model/position.ts";
import { waitUntil } from "../support/index.ts";
import { Scene } from "./support/scene.ts";
import { table } from "./support/tables.ts";
import { type RowChange, UNCHANGED, type Value } from "./support/topic.ts";

const SPEC = { name: "docs", columns: ["id bigint", "tenant_id text", "title text", "body text", "note text"] };
const docs = table(SPEC);
/** Its note is computed from what an unchanged long value leaves out of the stream. */
const COMPUTED = table({
  ...SPEC,
  computed: [{ name: "note", type: "text", expression: "upper(docs.body) || title", uses: ["body", "title"], plain: undefined }],
});
const TABLE = "(id bigint PRIMARY KEY, tenant_id text, title text, body text, note text)";
const DOCS = `CREATE TABLE public.docs ${TABLE};`;
const ALL = "SELECT id, tenant_id, title, body, note FROM public.docs ORDER BY id";

const open = (over: Partial<Parameters<typeof Scene.open>[0]> = {}) =>
  Scene.open({ tables: [docs], source: DOCS, target: DOCS, ...over });

function doc(
  op: RowChange["op"],
  id: number,
  title: Value,
  body: Value,
  note: Value = null,
  from?: number,
  tenant = "a",
): RowChange {
  const before: readonly Value[] = [`${from ?? id}`, tenant, null, null, null];
  const after: readonly Value[] = [`${id}`, tenant, title, body, note];
  if (op === "delete") return { op, table: "public.docs", tenant, before };
  return { op, table: "public.docs", tenant, after, ...(from === undefined ? {} : { before }) };
}

describe("an update without the values that it left alone", () => {
  it("changes the others, and asks the source for nothing", async () => {
    await using scene = await open({ source: "SELECT 1" });
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [doc("insert", 1, "t1", "long 1", "n"), doc("insert", 2, "t2", "long 2", "n")]);
    scene.apply();
    await scene.caughtUp();
    scene.topic.commit(11, [doc("update", 1, "t1b", UNCHANGED, "m"), doc("update", 2, UNCHANGED, "longer 2", UNCHANGED)]);
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a t1b long 1 m", "2 a t2 longer 2 n"]);
    expect(scene.reports).toEqual([]);
  });

  it("takes what it lacks from a change before it in the same run", async () => {
    await using scene = await open({ source: "SELECT 1" });
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [
      doc("insert", 1, "t1", "long 1", "n"),
      doc("update", 1, "t1b", UNCHANGED, "m"),
      doc("update", 1, UNCHANGED, "longer", UNCHANGED),
      doc("update", 3, "t3", UNCHANGED, null, 1),
    ]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["3 a t3 longer null"]);
  });

  it("that sets nothing but what it lacks still says whether the row is there", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    await scene.source.query("INSERT INTO public.docs VALUES (1, 'a', 'of the source', 'b', 'n')");
    scene.topic.commit(10, [doc("update", 1, UNCHANGED, UNCHANGED, UNCHANGED)]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a of the source b n"]);
  });

  it("has its row read again where the target does not have it, and how new it may be is noted for its tenant alone", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    await scene.target.query("UPDATE rehouse.tenant SET settled = true, settle_lsn = '0/10'");
    await scene.source.query("INSERT INTO public.docs VALUES (1, 'a', 'newer', 'whole body', 'n')");
    scene.topic.commit(10, [doc("update", 1, "t1", UNCHANGED), doc("insert", 2, "x", "y", null, undefined, "b")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a newer whole body n", "2 b x y null"]);
    const [a, b] = [await scene.tenant("a"), await scene.tenant("b")];
    const [now] = await scene.source.query("SELECT pg_current_wal_insert_lsn() AS lsn");
    // In-sync does not wait for it: while rows are read again all the time, it would never come.
    expect(a).toMatchObject({ settled: "t", settle_lsn: "0/10" });
    expect(parseLsn(a["reread_lsn"] ?? "")).toBeGreaterThan(parseLsn("0/10"));
    expect(parseLsn(a["reread_lsn"] ?? "")).toBeLessThanOrEqual(parseLsn(now?.["lsn"] ?? ""));
    expect(b).toMatchObject({ settled: "t", settle_lsn: "0/10", reread_lsn: null });
  });

  it("brings nothing back that the source has deleted since", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [doc("update", 1, "t1", UNCHANGED)]);
    scene.topic.commit(11, [doc("insert", 2, "t2", "b")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["2 a t2 b null"]);
  });

  it("has its row read again where an expression needs what is missing", async () => {
    await using scene = await open({ tables: [COMPUTED] });
    await scene.join([{ tenant: "a" }]);
    await scene.source.query("INSERT INTO public.docs VALUES (1, 'a', 't1', 'body', 'n')");
    await scene.target.query("INSERT INTO public.docs VALUES (1, 'a', 't0', 'body', 'BODYt0')");
    scene.topic.commit(10, [doc("update", 1, "t1", UNCHANGED, "n")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a t1 body BODYt1"]);
  });

  it("has its row read again only once the source shows what is in its stream already", async () => {
    await using scene = await open({ tables: [COMPUTED] });
    await scene.join([{ tenant: "a" }]);
    await scene.source.query("INSERT INTO public.docs VALUES (1, 'a', 't1', 'body', 'n')");
    await scene.target.query("INSERT INTO public.docs VALUES (1, 'a', 't1', 'body', 'BODYt1')");
    const writer = await scene.source.connect();
    await writer.query("BEGIN; UPDATE public.docs SET title = 't2'");
    const [transaction] = await writer.query("SELECT pg_current_xact_id()::xid AS xid");
    scene.topic.commit(Number(transaction?.["xid"]), [doc("update", 1, "t2", UNCHANGED, "n")]);
    scene.apply();
    await waitUntil(
      async () => {
        const waiting = await scene.target.query(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'",
        );
        return waiting.length > 0;
      },
      { deadlineMs: 10_000, what: "the lane to wait within its transaction" },
    );
    await writer.query("COMMIT");
    await writer.close();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a t2 body BODYt2"]);
    expect(scene.reports).toEqual([]);
  });

  it("and with another key takes the row along", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    await scene.target.query("INSERT INTO public.docs VALUES (1, 'a', 't1', 'body', 'n')");
    await scene.source.query("INSERT INTO public.docs VALUES (5, 'a', 't5', 'body', 'n')");
    scene.topic.commit(10, [doc("update", 5, "t5", UNCHANGED, "n", 1)]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["5 a t5 body n"]);
  });

  it("and with the key of a row that was deleted just before takes nothing from that one", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    const rows = "INSERT INTO public.docs VALUES (1, 'a', 't1', 'body of 1', 'n'), (2, 'a', 't2', 'body of 2', 'n')";
    await scene.target.query(rows);
    await scene.source.query("INSERT INTO public.docs VALUES (2, 'a', 't3', 'body of 1', 'n')");
    scene.topic.commit(10, [doc("delete", 2, null, null), doc("update", 2, "t3", UNCHANGED, "n", 1)]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["2 a t3 body of 1 n"]);
  });

  it("never reads a row of another tenant that has the same key without the tenant column", async () => {
    const dropped = table({ ...SPEC, dropped: ["tenant_id"], key: ["id"], sourceKey: ["tenant_id", "id"] });
    await using scene = await open({
      tables: [dropped],
      schemaTemplate: "t_{tenant}",
      source:
        "CREATE TABLE public.docs (id bigint, tenant_id text, title text, body text, note text, PRIMARY KEY (tenant_id, id));",
      target: "CREATE SCHEMA t_a; CREATE TABLE t_a.docs (id bigint PRIMARY KEY, title text, body text, note text);",
    });
    await scene.join([{ tenant: "a" }]);
    await scene.source.query(
      "INSERT INTO public.docs VALUES (1, 'a', 'mine', 'my body', ''), (1, 'b', 'theirs', 'their body', '')",
    );
    scene.topic.commit(10, [doc("update", 1, "mine", UNCHANGED, "")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows("SELECT * FROM t_a.docs")).toEqual(["1 mine my body "]);
  });

  it("reads on when the connection to the source was cut", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    await scene.source.query("INSERT INTO public.docs VALUES (1, 'a', 't1', 'body', 'n')");
    await scene.source.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    scene.topic.commit(10, [doc("update", 1, "t1", UNCHANGED)]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a t1 body n"]);
  });

  it("whose row is the future's lets the rows of its own time give way, and they come back", async () => {
    const unique = "CREATE TABLE public.docs (id bigint PRIMARY KEY, tenant_id text, title text UNIQUE, body text, note text);";
    await using scene = await open({ source: unique, target: unique });
    await scene.join([{ tenant: "a" }]);
    await scene.target.query("INSERT INTO public.docs VALUES (2, 'a', 'x', 'body of 2', '')");
    // By now 2 has given the title up, and 1 has it.
    await scene.source.query("INSERT INTO public.docs VALUES (1, 'a', 'x', 'body of 1', ''), (2, 'a', 'y', 'body of 2', '')");
    scene.topic.commit(10, [doc("update", 1, "w", UNCHANGED, "")]);
    scene.apply();
    await scene.caughtUp();
    scene.topic.commit(11, [doc("update", 2, "y", UNCHANGED, "")]);
    scene.topic.commit(12, [doc("update", 1, "x", UNCHANGED, "")]);
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a x body of 1 ", "2 a y body of 2 "]);
    expect((await scene.tenant("a"))["stopped"]).toBeNull();
  });
});
