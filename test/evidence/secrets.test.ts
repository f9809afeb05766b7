import { expect, test } from "vitest";
import { Secrets, secretColumns } from "../../src/evidence/index.ts";
import { reverseMapping } from "../../src/mapping/index.ts";
import { mirrorSecrets } from "../../src/mirror/mapping.ts";
import { column, mappingOf, tenantTable } from "../copying/index.ts";
import { migrationFile } from "../mapping/support.ts";
import { column as catalogColumn, catalogTable, moveOf } from "../mapping/tables.ts";

const TABLE = tenantTable("users", [
  column("id", "bigint"),
  column("email", "text", { as: "mail" }),
  { ...column("greeting", "text", { expression: "'Dear ' || name" }) },
  column("born", "date"),
]);
const MAPPING = mappingOf([
  { ...TABLE, columns: TABLE.columns.map((each) => (each.name === "greeting" ? { ...each, uses: ["name"] } : each)) },
]);

const marked = (...secret: string[]) => [
  ...(secretColumns(migrationFile({ users: { secret } }), MAPPING).get("public.users") ?? []),
];

test("a column is secret by its name at the source or at the target, and so is what is computed from it", () => {
  expect(marked()).toEqual([]);
  expect(marked("email")).toEqual(["mail"]);
  expect(marked("mail")).toEqual(["mail"]);
  expect(marked("name", "born")).toEqual(["greeting", "born"]);
});

test("equal values of a column have equal hashes, other columns, tables and migrations have others; NULL stays NULL", () => {
  const columns = new Map(["public.a", "public.b"].map((table) => [table, new Set(["mail", "phone"])]));
  const [one, other] = [new Secrets("salt 1", columns), new Secrets("salt 2", columns)];
  const shown = one.shown("public.a", "mail", "x@example.com");
  expect(shown).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(one.shown("public.a", "mail", "x@example.com")).toBe(shown);
  const others = [
    one.shown("public.a", "phone", "x@example.com"),
    one.shown("public.b", "mail", "x@example.com"),
    other.shown("public.a", "mail", "x@example.com"),
    one.shown("public.a", "mail", ""),
  ];
  expect(new Set([shown, ...others]).size).toBe(5);
  expect(one.shown("public.a", "mail", null)).toBeNull();
  expect(one.shown("public.a", "name", "Ann")).toBe("Ann");
});

test("what is secret on the way there is secret on the way back", () => {
  const users = catalogTable(
    "users",
    [catalogColumn("id", "bigint", { notNull: true }), catalogColumn("email", "text"), catalogColumn("name", "text")],
    ["id"],
  );
  const input = {
    source: users,
    tenant: "id",
    columns: { mail: "email", title: "upper(name)", name: false as const },
    reverse: { name: "lower(title)" },
  };
  const forward = moveOf([input]);
  const { mapping: mirror } = reverseMapping(forward, ["1"]);
  const secret = (...marks: string[]) =>
    mirror && [
      ...(mirrorSecrets(migrationFile({ users: { secret: marks } }), forward.mapping, mirror).get("tenant_1.users") ?? []),
    ];
  expect(secret()).toEqual([]);
  expect(secret("email")).toEqual(["email"]);
  expect(secret("mail")).toEqual(["email"]);
  expect(secret("name")).toEqual(["name"]);
  expect(secret("title")).toEqual(["name"]);
});
