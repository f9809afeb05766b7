/** Rows that somebody asked to be read again, among the changes of the stream. */

import { describe, expect, it } from "vitest";
import { foreignTriggers } from "../../src/expand/ddl-triggers.ts";
import { waitUntil } from "../support/index.ts";
import { Scene } from "./support/scene.ts";
import { table } from "./support/tables.ts";
import type { RereadChange, RowChange } from "./support/topic.ts";

const users = table({ name: "users", columns: ["id bigint", "tenant_id text", "email text"] });
const TABLE = "CREATE TABLE public.users (id bigint PRIMARY KEY, tenant_id text, email text);";
const UNIQUE = "ALTER TABLE public.users ADD CONSTRAINT one_email UNIQUE (email);";
const ALL = "SELECT id, email FROM public.users ORDER BY id";

const open = (over: Partial<Parameters<typeof Scene.open>[0]> = {}) =>
  Scene.open({ tables: [users], source: TABLE, target: TABLE, ...over });

const reread = (id: number): RereadChange => ({ op: "reread", table: "public.users", tenant: "a", key: [`${id}`] });
const user = (op: "insert" | "update", id: number, email: string): RowChange => ({
  op,
  table: "public.users",
  tenant: "a",
  after: [`${id}`, "a", email],
});

describe("a row that is to be read again", () => {
  it("is at the target what it is at the source: missing, different or gone; the others stay", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    await scene.source.query("INSERT INTO public.users VALUES (1, 'a', 'one'), (2, 'a', 'two'), (5, 'b', 'of another')");
    await scene.target.query(
      "INSERT INTO public.users VALUES (2, 'a', 'wrong'), (3, 'a', 'extra'), (4, 'a', 'left alone'), (5, 'b', 'of b')",
    );
    scene.apply();
    scene.topic.commit(10, [reread(1), reread(2), reread(3), reread(5)]);
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 one", "2 two", "4 left alone", "5 of b"]);
    expect(await scene.tenant("a")).toMatchObject({ stopped: null, reread_lsn: expect.stringMatching("/") });
  });

  it("gives way to the changes behind it, and undoes those before it", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    await scene.source.query("INSERT INTO public.users VALUES (1, 'a', 'newest'), (2, 'a', 'newest')");
    scene.topic.commit(10, [user("insert", 1, "old"), reread(1), reread(2), user("update", 2, "behind")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 newest", "2 behind"]);
  });

  it("changes places with others under a unique constraint, and one that had to step aside comes back", async () => {
    await using scene = await open({ source: TABLE + UNIQUE, target: TABLE + UNIQUE });
    await scene.join([{ tenant: "a" }]);
    await scene.source.query("INSERT INTO public.users VALUES (1, 'a', 'x'), (2, 'a', 'y'), (3, 'a', 'z')");
    // Swapped by hand; and 3 holds what belongs to 1, though nobody asked for 3.
    await scene.target.query("INSERT INTO public.users VALUES (1, 'a', 'y'), (2, 'a', 'q'), (3, 'a', 'x')");
    scene.apply();
    scene.topic.commit(10, [reread(1), reread(2)]);
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 x", "2 y", "3 z"]);
  });

  it("stays as it was where the target refuses it, and its tenant goes on", async () => {
    await using scene = await open({
      target: `${TABLE} ALTER TABLE public.users ADD CONSTRAINT short CHECK (length(email) < 5);`,
    });
    await scene.join([{ tenant: "a" }]);
    await scene.source.query("INSERT INTO public.users VALUES (1, 'a', 'too long'), (2, 'a', 'two')");
    await scene.target.query("INSERT INTO public.users VALUES (1, 'a', 'kept')");
    scene.apply();
    scene.topic.commit(10, [reread(1), reread(2), user("insert", 3, "3")]);
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 kept", "2 two", "3 3"]);
    expect(await scene.tenant("a")).toMatchObject({ stopped: null });
    const [entry] = await scene.target.query("SELECT detail::text AS detail FROM rehouse.journal WHERE event = 'repair-refused'");
    expect(JSON.parse(entry?.["detail"] ?? "")).toEqual({
      table: "public.users",
      key: ["1"],
      what: expect.stringContaining("short"),
    });
  });

  it("is written in place where triggers and cascades cannot be switched off", async () => {
    const children = "CREATE TABLE public.notes (id int PRIMARY KEY, of bigint REFERENCES public.users ON DELETE CASCADE);";
    await using scene = await open({ target: TABLE + children, plainRole: true });
    await scene.join([{ tenant: "a" }]);
    await scene.source.query("INSERT INTO public.users VALUES (1, 'a', 'one')");
    await scene.target.query("INSERT INTO public.users VALUES (1, 'a', 'wrong')");
    await scene.target.query("INSERT INTO public.notes VALUES (7, 1)");
    scene.apply();
    scene.topic.commit(10, [reread(1)]);
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 one"]);
    expect(await scene.rows("SELECT id FROM public.notes")).toEqual(["7"]);
  });

  it("is never a foreign write itself, where our triggers fire for everybody", async () => {
    await using scene = await open({ plainRole: true });
    const watched = {
      mapping: scene.mapping,
      table: users,
      target: users.source,
      unit: "a",
      listed: undefined,
      secrets: new Set<string>(),
    };
    for (const { sql } of foreignTriggers(watched) ?? []) await scene.target.query(sql);
    await scene.join([{ tenant: "a" }]);
    await scene.source.query("INSERT INTO public.users VALUES (1, 'a', 'one')");
    scene.apply();
    scene.topic.commit(10, [user("insert", 1, "x"), user("insert", 2, "two"), reread(1)]);
    await scene.caughtUp();
    const notes = () => scene.rows("SELECT operation, key FROM rehouse.foreign_write");
    expect(await scene.rows(ALL)).toEqual(["1 one", "2 two"]);
    expect(await notes()).toEqual([]);
    await scene.applier.query("UPDATE public.users SET email = 'by hand' WHERE id = 2");
    expect(await notes()).toEqual(["update {2}"]);
  });

  it("is read only once the source shows the transactions that its stream has brought before", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    await scene.source.query("INSERT INTO public.users VALUES (1, 'a', 'older')");
    // In the stream already, and not visible yet: as when its commit waits for a standby.
    const session = await scene.source.connect();
    await session.query("BEGIN; UPDATE public.users SET email = 'newer' WHERE id = 1");
    const [transaction] = await session.query("SELECT pg_current_xact_id()::xid AS xid");
    scene.apply();
    scene.topic.commit(Number(transaction?.["xid"]), [user("insert", 1, "newer")]);
    await scene.caughtUp();
    scene.topic.commit(10, [reread(1)]);
    const waits = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'";
    await waitUntil(async () => (await scene.target.query(waits)).length > 0, {
      deadlineMs: 10_000,
      what: "the lane to wait within its transaction",
    });
    await session.query("COMMIT");
    await session.close();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 newer"]);
  });
});
