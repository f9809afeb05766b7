/** The databases of a rehearsal are told from everybody else's, and who may not make them is told how. */

import { expect, it } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { createPrivilege, createScratch, dropScratch, isThere } from "../../src/rehearse/scratch.ts";
import { addresses, freshDatabases } from "../support/index.ts";

it("makes one with the encoding of its original, and leaves alone what it has not made", async () => {
  await using databases = await freshDatabases();
  const admin = createDatabase({ url: databases.targetUrl });
  const like = createDatabase({ url: databases.sourceUrl });
  const name = `${databases.name}_scratch`;
  try {
    expect(await isThere(admin, name, "ours")).toBe(false);
    // What a rehearsal leaves that is killed before it has marked its database.
    await admin.query(`CREATE DATABASE ${name}_new`);
    expect(await createScratch(admin, name, like, "ours")).toBe(true);
    expect(await isThere(admin, name, "ours")).toBe(true);
    await expect(isThere(admin, name, "another's")).rejects.toMatchObject({
      code: "REHOUSE_REHEARSAL",
      message: expect.stringContaining(name),
      fix: expect.stringContaining("DROP DATABASE"),
    });
    expect(await admin.query("SELECT FROM pg_database WHERE datname = $1", [`${name}_new`])).toEqual([]);
    await dropScratch(admin, name);
    expect(await isThere(admin, name, "ours")).toBe(false);
  } finally {
    await dropScratch(admin, name);
    await Promise.all([admin.close(), like.close()]);
  }
});

it("a role that may not create databases gets the statement that grants it", async () => {
  const admin = createDatabase({ url: addresses().targetUrl });
  const role = `r_${Date.now()}`;
  await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
  const url = new URL(addresses().targetUrl);
  url.username = role;
  url.password = "x";
  const as = createDatabase({ url: url.href });
  try {
    expect(await createPrivilege(admin)).toEqual([]);
    expect(await createPrivilege(as)).toMatchObject([
      { code: "createdb-privilege", severity: "error", fix: expect.stringContaining(`ALTER ROLE "${role}" CREATEDB`) },
    ]);
  } finally {
    await as.close();
    await admin.query(`DROP ROLE ${role}`);
    await admin.close();
  }
});
