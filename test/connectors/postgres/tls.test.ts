/** A Postgres server that speaks TLS, with a certificate for `localhost` of an authority of its own. */

import { chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase } from "../../../connectors/postgres/database.ts";
import { createClientPool } from "../../../connectors/postgres/pool.ts";
import { createSlotMaker } from "../../../connectors/postgres/replication.ts";
import { checkPostgresEncryption } from "../../../src/check/encryption.ts";
import type { RehouseError } from "../../../src/errors.ts";
import { Guard } from "../../../stack/embedded/guard.ts";
import { postgresPrograms, startPostgres } from "../../../stack/embedded/postgres.ts";
import { freePorts } from "../../../stack/ports.ts";
import { Authority } from "../../support/certificates.ts";
import { addresses } from "../../support/index.ts";

type Tls = Parameters<typeof createDatabase>[0]["tls"];

describe("Postgres over TLS", () => {
  const authority = new Authority();
  let guard: Guard;
  let url: URL;

  beforeAll(async () => {
    guard = await Guard.start();
    const programs = await postgresPrograms(guard);
    const [port = 0] = await freePorts(1);
    const keys = join(guard.folder, "keys");
    const { cert, key } = authority.identity(["localhost"]);
    await mkdir(keys);
    const files = { "server.pem": cert, "server.key": key, "ca.pem": authority.pem };
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(keys, name), text, { mode: 0o600 });
      if ("uid" in programs.user) await chown(join(keys, name), programs.user.uid, programs.user.gid);
    }
    const settings = {
      ssl: "on",
      ssl_cert_file: join(keys, "server.pem"),
      ssl_key_file: join(keys, "server.key"),
      ssl_ca_file: join(keys, "ca.pem"),
    };
    const started = await startPostgres(guard, programs, { name: "tls", port, password: "secret", settings });
    url = new URL(started.url);
    url.hostname = "localhost";
  }, 60_000);
  afterAll(() => guard.stop());

  const at = (host: string, parameters = "") => {
    const other = new URL(url);
    other.hostname = host;
    other.search = parameters;
    return other.href;
  };

  async function encrypted(address: string, tls: Tls): Promise<string | null | undefined> {
    const database = createDatabase({ url: address, tls });
    try {
      const [row] = await database.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
      return row?.["ssl"];
    } finally {
      await database.close();
    }
  }

  async function refusal(address: string, tls: Tls): Promise<Pick<RehouseError, "code" | "message" | "fix" | "where">> {
    return encrypted(address, tls).then(
      () => {
        throw new Error("it was trusted");
      },
      (error: RehouseError) => error,
    );
  }

  it("trusts a server whose authority and host are the right ones, for sessions, clients and slots alike", async () => {
    const tls = { ca: authority.pem, rejectUnauthorized: true };
    expect(await encrypted(at("localhost"), tls)).toBe("t");
    expect(await encrypted(at("127.0.0.1"), { ...tls, servername: "localhost" })).toBe("t");
    const pool = createClientPool({ url: at("localhost"), tls }, 1);
    const client = await pool.connect();
    client.release();
    await pool.close();
    const { signal } = new AbortController();
    const slot = await createSlotMaker({ url: at("localhost"), tls }, { failover: false }).create("over_tls", signal);
    await slot.release();
  });

  it("refuses the certificate of another host, also where the address has the right one", async () => {
    const tls = { ca: authority.pem, rejectUnauthorized: true };
    expect(await refusal(at("127.0.0.1"), tls)).toMatchObject({
      code: "REHOUSE_TLS",
      message: expect.stringContaining("its certificate is for another host"),
      fix: expect.stringContaining("serverName"),
      where: expect.stringMatching(/^127\.0\.0\.1:\d+\/tls$/),
    });
    expect((await refusal(at("localhost"), { ...tls, servername: "db.internal" })).message).toContain("another host");
  });

  it("refuses an authority that nobody has named, whatever a URL's sslmode is called", async () => {
    for (const mode of ["prefer", "require", "verify-ca", "verify-full", "require&uselibpqcompat=true"])
      expect(await refusal(at("localhost", `sslmode=${mode}`), undefined)).toMatchObject({
        code: "REHOUSE_TLS",
        fix: expect.stringContaining("ca in"),
      });
    const other = { ca: new Authority().pem, rejectUnauthorized: true };
    expect((await refusal(at("localhost"), other)).code).toBe("REHOUSE_TLS");
  });

  it("the file's word counts, and not the URL's; check says what is open", async () => {
    expect(await encrypted(at("localhost", "sslmode=require"), false)).toBe("f");
    expect(await encrypted(at("localhost", "sslmode=disable"), { ca: authority.pem, rejectUnauthorized: true })).toBe("t");
    expect(await encrypted(at("localhost"), { rejectUnauthorized: false })).toBe("t");
    const database = createDatabase({ url: at("localhost"), tls: { rejectUnauthorized: false } });
    const elsewhere = { url: "postgres://db.internal/app", tls: { rejectUnauthorized: false } };
    expect(await checkPostgresEncryption("source", database, elsewhere)).toMatchObject([{ code: "unverified" }]);
    await database.close();
  });
});

it("a server without TLS is refused where TLS is asked for", async () => {
  const database = createDatabase({ url: addresses().targetUrl, tls: true });
  await expect(database.query("SELECT 1")).rejects.toMatchObject({
    code: "REHOUSE_TLS",
    message: "Postgres does not speak TLS, and it is asked for",
  });
});
