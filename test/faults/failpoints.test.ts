import { expect, test } from "vitest";
import { Migration } from "../support/index.ts";

test("run with a failpoint that is not there starts nothing, and names those that are", async () => {
  await using migration = await Migration.prepare({
    source: "CREATE TABLE items (id int PRIMARY KEY)",
    file: { tables: { items: {} } },
  });
  const { code, out } = await migration.startWith({ REHOUSE_FAILPOINTS: "apply.commit.befor=exit" }, "run", "--json").ended;
  expect(code).toBe(2);
  expect(JSON.parse(out)).toMatchObject({
    error: { code: "REHOUSE_USAGE", where: "REHOUSE_FAILPOINTS", fix: expect.stringContaining("apply.commit.before") },
  });
  expect(await migration.target.value("SELECT to_regclass('rehouse.migration')")).toBeNull();
});
