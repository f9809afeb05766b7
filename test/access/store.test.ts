/** Tokens and audit in the state tables. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { AccessStore } from "../../src/access/index.ts";
import { installState, uninstallState } from "../../src/control/install.ts";
import { stateSql } from "../../src/package.ts";
import type { Database } from "../../src/ports.ts";
import { type FreshDatabases, freshDatabases } from "../support/index.ts";

let databases: FreshDatabases;
let target: Database;
beforeAll(async () => {
  databases = await freshDatabases();
  target = createDatabase({ url: databases.targetUrl });
});
afterAll(async () => {
  await target.close();
  await databases.drop();
});

const store = (migration: string) => new AccessStore({ migration, target, stateSql: stateSql() });
const ops = { name: "ops", role: "operator", expiresInMs: undefined, by: "root@db" } as const;

test("before there is any state nobody is let in; the first token makes it", async () => {
  const access = store("m");
  expect(await access.hasToken()).toBe(false);
  expect(await access.authenticate(`rht_${"0".repeat(16)}_${"A".repeat(43)}`)).toBe(undefined);
  expect(await access.listTokens()).toEqual([]);
  expect(await access.audit({ before: undefined, limit: 10 })).toEqual([]);
  const { token, text } = await access.createToken(ops);
  expect(await access.hasToken()).toBe(true);
  expect(await access.authenticate(text)).toEqual({ id: token.id, name: "ops", role: "operator" });
  // Nothing from which the token could be had again.
  const kept = JSON.stringify(await target.query("SELECT t::text FROM rehouse.api_token AS t"));
  expect(kept).toContain(token.id);
  expect(kept).not.toContain(text.slice(-43));
});

test("a token is good for its migration, until it is revoked or has expired, and under its name alone", async () => {
  const access = store("m");
  const { text, token } = await access.createToken({ ...ops, name: "ci", expiresInMs: 3_600_000 });
  expect(Date.parse(token.expiresAt ?? "") - Date.parse(token.createdAt)).toBe(3_600_000);
  expect(await store("other").authenticate(text)).toBe(undefined);
  await expect(access.createToken({ ...ops, name: "ci" })).rejects.toMatchObject({ code: "REHOUSE_USAGE" });
  expect((await access.listTokens()).find(({ name }) => name === "ci")?.lastUsedAt).toBe(null);
  expect(await access.authenticate(text)).toMatchObject({ name: "ci" });
  expect((await access.listTokens()).find(({ name }) => name === "ci")?.lastUsedAt).not.toBe(null);
  // The right id with another one's secret.
  const other = await access.createToken({ ...ops, name: "other" });
  expect(await access.authenticate(`rht_${token.id}_${other.text.slice(-43)}`)).toBe(undefined);

  await target.query("UPDATE rehouse.api_token SET expires_at = clock_timestamp() WHERE id = $1", [token.id]);
  expect(await access.authenticate(text)).toBe(undefined);
  expect(await access.revokeToken({ idOrName: "other", by: "root@db" })).toMatchObject({ revokedAt: expect.any(String) });
  expect(await access.authenticate(other.text)).toBe(undefined);
  await expect(access.revokeToken({ idOrName: "other", by: "root@db" })).rejects.toMatchObject({ code: "REHOUSE_NOT_FOUND" });
  await access.createToken({ ...ops, name: "other" });
});

test("the audit has each deed as it was, a page at a time", async () => {
  const access = store("audited");
  const tenants = ['"; DROP SCHEMA rehouse CASCADE; --', "a,b", "{}", "NULL", "\\", "ä🦄", ""];
  const who = { token: "1", name: "x'; --", role: "admin", address: "::1" } as const;
  const entry = await access.begin({ ...who, action: "cutover", tenants, request: { dryRun: true }, operation: "o" });
  expect(await access.audit({ before: undefined, limit: 10 })).toMatchObject([{ outcome: "begun", endedAt: null }]);
  await access.end(entry, "failed", "REHOUSE_NOT_DRAINED");
  await access.begin({ ...who, action: "pause", tenants: null, request: {}, operation: null }, "denied");
  const all = await access.audit({ before: undefined, limit: 10 });
  expect(all.map(({ action, outcome }) => [action, outcome])).toEqual([
    ["pause", "denied"],
    ["cutover", "failed"],
  ]);
  expect(all[1]).toMatchObject({
    ...who,
    entry,
    tenants,
    request: { dryRun: true },
    operation: "o",
    code: "REHOUSE_NOT_DRAINED",
  });
  expect(await access.audit({ before: all[0]?.entry, limit: 10 })).toEqual([all[1]]);
  expect((await store("m").audit({ before: undefined, limit: 100 })).map(({ action }) => action)).toContain("token create");
});

test("state with tokens or audit in it is not taken away with a migration", async () => {
  const there = async () => (await target.query("SELECT to_regnamespace('rehouse') IS NOT NULL AS there"))[0]?.["there"];
  await uninstallState(target, ["m"]);
  expect(await there()).toBe("t");
  await target.query("DELETE FROM rehouse.api_token");
  await uninstallState(target, ["m"]);
  expect(await there()).toBe("t");
  await target.query("DELETE FROM rehouse.audit");
  // An older version has made no such tables.
  await target.query("DROP TABLE rehouse.audit");
  await target.query("DROP TABLE rehouse.api_token");
  await uninstallState(target, ["m"]);
  expect(await there()).toBe("f");
  await installState(target, stateSql());
  await uninstallState(target, ["m"]);
  expect(await there()).toBe("f");
});
