import { describe, expect, it } from "vitest";
import { HEAD, load, mistakesOf } from "./support.ts";

const file = (rest: string) => `${HEAD}tenants: { column: tenant_id, move: [42] }\ntables: { users: {} }\n${rest}`;

describe("rollback in a migration file", () => {
  it("is 72 hours under the two criteria that need no setting, with an alert, when nothing is said", async () => {
    const soaking = {
      possible: true,
      soakMs: 259_200_000,
      when: [{ kind: "differences" }, { kind: "apply-stopped" }],
      action: "alert",
    };
    for (const rest of ["", "rollback:", "rollback: {}"]) expect((await load(file(rest))).rollback).toEqual(soaking);
  });

  it("may say that there is no way back", async () => {
    expect((await load(file("rollback: none"))).rollback).toEqual({ possible: false });
  });

  it("takes every kind of criterion, with defaults filled in", async () => {
    const { rollback } = await load(
      file(`rollback:
  soak: 90m
  action: rollback
  when:
    - differences
    - { lagOver: 30s }
    - { query: "SELECT true" }
    - { query: "SELECT false", on: source }
    - { http: "http://app/health/{tenant}" }
    - { http: "http://app/health", fails: 5, every: 1m }
`),
    );
    expect(rollback).toEqual({
      possible: true,
      soakMs: 5_400_000,
      action: "rollback",
      when: [
        { kind: "differences" },
        { kind: "lag", overMs: 30_000 },
        { kind: "query", on: "target", sql: "SELECT true" },
        { kind: "query", on: "source", sql: "SELECT false" },
        { kind: "http", url: "http://app/health/{tenant}", fails: 3, everyMs: 10_000 },
        { kind: "http", url: "http://app/health", fails: 5, everyMs: 60_000 },
      ],
    });
  });

  it("names what is wrong where it is", async () => {
    const mistakes = await mistakesOf(
      file(`rollback:
  soak: 72
  action: rolback
  when:
    - diferences
    - { lagOver: soon }
    - { query: "SELECT true", on: elsewhere }
    - { http: "app/health" }
    - { http: "http://app", fails: 0 }
`),
    );
    expect(mistakes.map(({ path, nearest }) => [path, nearest])).toEqual([
      ["rollback.soak", null],
      ["rollback.action", "rollback"],
      ["rollback.when[0]", "differences"],
      ["rollback.when[1].lagOver", null],
      ["rollback.when[2].on", null],
      ["rollback.when[3].http", null],
      ["rollback.when[4].fails", null],
    ]);
  });
});

describe("route in a migration file", () => {
  it("has no webhook when nothing is said", async () => {
    expect((await load(file(""))).route).toEqual({ webhook: undefined });
  });

  it("takes a webhook with its secret from the environment", async () => {
    const { route } = await load(file(`route: { webhook: { url: "https://app/hook", secret: "\${SECRET}" } }`), {
      SECRET: "0123456789abcdef",
    });
    expect(route).toEqual({ webhook: { url: "https://app/hook", secret: "0123456789abcdef" } });
  });

  it("shows a secret that is too short to nobody", async () => {
    const mistakes = await mistakesOf(file("route: { webhook: { url: ftp://app, secret: hunter2 } }"));
    expect(mistakes.map(({ path }) => path)).toEqual(["route.webhook.url", "route.webhook.secret"]);
    expect(JSON.stringify(mistakes)).not.toContain("hunter2");
  });
});
