import { expect, it } from "vitest";
import { memberOf, onTable, setsReplicaRole } from "../../src/check/privilege.ts";
import { replicaRole } from "../../src/check/replica-role.ts";

it("a privilege is written in the words of the server's version", () => {
  expect(memberOf("app", 150_000).grant("mover")).toBe('GRANT "app" TO "mover";');
  expect(memberOf("app", 160_000).grant("mover")).toBe('GRANT "app" TO "mover" WITH INHERIT TRUE, SET FALSE;');
  expect(memberOf("mover", 160_000).grant("mover")).toBe("");
  expect(setsReplicaRole(150_000)?.revoke("mover")).toBe('REVOKE SET ON PARAMETER session_replication_role FROM "mover";');
  expect(setsReplicaRole(140_000)).toBeUndefined();
  expect(onTable("SELECT", { schema: 's"', table: "t;" }).grant('m"')).toBe('GRANT SELECT ON "s"""."t;" TO "m""";');
});

it("what no statement can give is said where it is missed, and not printed as a grant", () => {
  const role = {
    name: "mover",
    database: "app",
    version: 140_000,
    isSuperuser: false,
    replicates: true,
    creates: true,
    createsTemporary: true,
    switchesTriggersOff: false,
    seesActivity: true,
    replicationStatement: memberOf("rds_replication", 140_000),
    state: undefined,
  };
  const [privilege] = replicaRole("target", "db:5432/app", role, ["trigger t of public.a"]);
  expect(privilege?.grant("mover")).toBe("");
  expect(privilege?.lacking).toMatchObject({
    code: "replica-role",
    severity: "error",
    fix: expect.stringContaining("superuser"),
  });
  expect(replicaRole("target", "db:5432/app", { ...role, switchesTriggersOff: true }, [])).toEqual([]);
});
