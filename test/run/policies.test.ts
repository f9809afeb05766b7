/** What a running role does with each code is what its policy says. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { ERROR_CODES, type ErrorCode, RehouseError } from "../../src/errors.ts";
import { createLogger } from "../../src/log.ts";
import type { Database } from "../../src/ports.ts";
import { runRole } from "../../src/run/role.ts";
import { GOOD_FILE, rehouse } from "../cli/support.ts";
import { type FreshDatabases, freshDatabases } from "../support/index.ts";

const CODES = Object.entries(ERROR_CODES).map(([code, { policy, exit }]) => ({ code: code as ErrorCode, policy, exit }));

describe("a role that meets", () => {
  let databases: FreshDatabases;
  let target: Database;
  beforeAll(async () => {
    databases = await freshDatabases();
    target = createDatabase({ url: databases.targetUrl });
    await target.query(
      "CREATE SCHEMA rehouse; CREATE TABLE rehouse.migration (name text, state text); CREATE TABLE rehouse.process ()",
    );
  });
  afterAll(async () => {
    await target?.close();
    await databases?.drop();
  });

  it.for(CODES)("$code ($policy)", async ({ code, policy }) => {
    const stop = new AbortController();
    const error = new RehouseError(code, { what: "as it is" });
    let starts = 0;
    const ended = runRole(
      {
        role: "apply",
        migration: "m",
        target,
        stage: async () => {
          starts++;
          if (starts === 1) throw error;
          stop.abort();
        },
        onEvent: () => undefined,
        log: createLogger("silent"),
      },
      stop.signal,
    );
    if (policy === "retry") {
      await ended;
      expect(starts).toBe(2);
    } else {
      await expect(ended).rejects.toBe(error);
      expect(starts).toBe(1);
    }
  });
});

describe("a command that ends with", () => {
  it.for(CODES)("$code exits with $exit", async ({ code, exit }) => {
    const run = async () => {
      throw new RehouseError(code, { what: "as it is" });
    };
    const result = await rehouse(["run", "-f", "FILE", "--json"], { file: GOOD_FILE, engine: { run } });
    expect(result.exit).toBe(exit);
    expect(JSON.parse(result.out)).toMatchObject({ error: { code } });
  });
});
