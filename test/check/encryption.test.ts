import { describe, expect, it } from "vitest";
import { checkPostgresEncryption, checkServiceEncryption, isLoopback } from "../../src/check/encryption.ts";
import type { Database } from "../../src/ports.ts";
import { migrationFile } from "../mapping/support.ts";

describe("a connection", () => {
  it.each(["localhost", "db.localhost", "127.0.0.1", "127.8.9.1", "[::1]", "::1", "", "%2Fvar%2Frun%2Fpostgresql"])(
    "to %s does not leave the machine",
    (host) => expect(isLoopback(host)).toBe(true),
  );

  it.each(["db", "10.0.0.1", "localhost.example.org", "127.example.org", "[fe80::1]"])("to %s does", (host) =>
    expect(isLoopback(host)).toBe(false),
  );
});

/** A server that says whether the session is encrypted. */
function server(ssl: "t" | "f"): Database {
  const refuse = () => Promise.reject(new Error("not asked"));
  return {
    place: "db:5432/app",
    query: async () => [{ ssl }],
    transaction: refuse,
    connect: refuse,
    close: async () => undefined,
  };
}

describe("check", () => {
  const postgres = async (ssl: "t" | "f", url: string, tls: Parameters<typeof checkPostgresEncryption>[2]["tls"]) =>
    (await checkPostgresEncryption("source", server(ssl), { url, tls })).map(({ code, severity }) => `${severity} ${code}`);

  it("warns of a Postgres that is not encrypted, or whose certificate is not verified, and of none on this machine", async () => {
    expect(await postgres("f", "postgres://db/app", undefined)).toEqual(["warning unencrypted"]);
    expect(await postgres("f", "postgres://127.0.0.1/app", undefined)).toEqual([]);
    expect(await postgres("t", "postgres://db/app?sslmode=require", undefined)).toEqual([]);
    expect(await postgres("t", "postgres://db/app?sslmode=no-verify", undefined)).toEqual(["warning unverified"]);
    expect(await postgres("t", "postgres://db/app?sslmode=no-verify", { rejectUnauthorized: true })).toEqual([]);
    expect(await postgres("t", "postgres://db/app", { rejectUnauthorized: false })).toEqual(["warning unverified"]);
  });

  it("warns of Kafka and of a registry that are not encrypted, and says when that gives a password away", () => {
    const file = migrationFile({ things: {} });
    const sasl = { mechanism: "plain" as const, username: "u", password: "p" };
    const services = (kafka: object, registry: object) =>
      checkServiceEncryption({ kafka: { ...file.kafka, ...kafka }, registry: { ...file.registry, ...registry } });
    expect(services({}, {})).toEqual([]);
    const open = services({ brokers: ["k:9092"], sasl }, { url: "http://r:8081", auth: { token: "t" } });
    expect(open.map(({ code, what }) => [code, /itself/.test(what)])).toEqual([
      ["unencrypted", true],
      ["unencrypted", true],
    ]);
    const tls = { rejectUnauthorized: false };
    expect(services({ brokers: ["k:9093"], ssl: tls }, { url: "https://r", tls }).map(({ code }) => code)).toEqual([
      "unverified",
      "unverified",
    ]);
  });
});
