import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { arm, type FencedTable, lockTenant } from "../../src/fence/index.ts";
import { mirrorName } from "../../src/model/mirror.ts";
import { stateSql } from "../../src/package.ts";
import type { Database } from "../../src/ports.ts";
import type { Isolation } from "../../src/router/index.ts";
import { waitUntil } from "../support/index.ts";
import { Application, MIGRATION, note } from "./support.ts";

const NOTES: FencedTable = { table: { schema: "public", table: "notes" }, tenant: { column: "tenant", type: "text" } };
const TENANTS = ["0", "1"];
const LOCK = { lockTimeoutMs: 10_000, attempts: 3 };

/** The fence of src/fence at both sides, as a cutover and a rollback use it. */
class Fences implements AsyncDisposable {
  readonly #application: Application;
  readonly #sides: { readonly source: Database; readonly target: Database };

  private constructor(application: Application) {
    this.#application = application;
    this.#sides = {
      source: createDatabase({ url: application.urls.source }),
      target: createDatabase({ url: application.urls.target }),
    };
  }

  static async arm(application: Application): Promise<Fences> {
    const fences = new Fences(application);
    await arm({ database: fences.#sides.source, migration: MIGRATION, stateSql: stateSql() }, [NOTES], TENANTS);
    await arm({ database: fences.#sides.target, migration: mirrorName(MIGRATION), stateSql: stateSql() }, [NOTES], TENANTS);
    return fences;
  }

  async switch(tenant: string, to: "source" | "target"): Promise<void> {
    const from = to === "target" ? "source" : "target";
    const names = { source: MIGRATION, target: mirrorName(MIGRATION) };
    const leaving = await lockTenant(this.#sides[from], names[from], tenant, LOCK);
    const arriving = await lockTenant(this.#sides[to], names[to], tenant, LOCK);
    await leaving.fence(to);
    await this.#application.route(tenant, to);
    if (arriving.state === "moved") await arriving.reopen();
    await arriving.release();
    await leaving.moved();
    await leaving.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#sides.source.close(), this.#sides.target.close()]);
  }
}

describe("a router before the real fence", () => {
  let application: Application;
  let fences: Fences;
  beforeEach(async () => {
    application = await (await Application.prepare({ fence: "" })).begin();
    fences = await Fences.arm(application);
  });
  afterEach(async () => {
    await fences[Symbol.asyncDispose]();
    await application[Symbol.asyncDispose]();
  });

  it.for<Isolation>(["read committed", "repeatable read", "serializable"])(
    "loses no write and repeats none in %s, while tenants are switched there and back and one writer holds its transaction open",
    async (isolation) => {
      const router = application.router({ deadlineMs: 30_000 });
      const stop = new AbortController();
      const acknowledged: Record<string, string[]> = { "0": [], "1": [] };
      const write = async (writer: number, holdS: number) => {
        for (let n = 0; !stop.signal.aborted; n += 1) {
          const tenant = TENANTS[n % 2] ?? "";
          const id = `${writer}-${n}`;
          const body = async (client: Parameters<Parameters<typeof router.transaction>[1]>[0]) => {
            await client.query("SELECT count(*) FROM notes WHERE tenant = 'nobody'");
            await client.query("SELECT pg_sleep($1)", [holdS]);
            await note(client, tenant, id);
            await client.query("SELECT pg_sleep($1)", [holdS]);
          };
          await router.transaction(tenant, body, { isolation });
          acknowledged[tenant]?.push(id);
        }
      };
      const writers = Promise.all([write(1, 0.001), write(2, 0.001), write(3, 0.001), write(4, 0.1)]);
      for (const to of ["target", "source", "target"] as const) {
        for (const tenant of TENANTS) {
          const before = acknowledged[tenant]?.length ?? 0;
          await fences.switch(tenant, to);
          await waitUntil(() => (acknowledged[tenant]?.length ?? 0) > before + 5, { deadlineMs: 30_000, what: "writes go on" });
        }
      }
      stop.abort();
      await writers;
      for (const tenant of TENANTS) {
        const [source, target] = [await application.notes("source", tenant), await application.notes("target", tenant)];
        expect([...source, ...target].sort()).toEqual(acknowledged[tenant]?.toSorted());
        expect(target.length).toBeGreaterThan(0);
      }
    },
  );
});
