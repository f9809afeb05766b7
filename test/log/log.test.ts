import { beforeAll, describe, expect, it } from "vitest";
import { readable } from "../../src/cli/logs.ts";
import { style } from "../../src/cli/style.ts";
import { RehouseError } from "../../src/errors.ts";
import { createLogger, type Logger, levelOf } from "../../src/log.ts";
import { hide } from "../../src/redact.ts";

const SECRETS = ["s3cr#t/w:rd", "two words here", 'quo"te\\slash', "hunter22"];

function recording(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  return { log: createLogger("debug", (line) => lines.push(line)), lines };
}

describe("the log", () => {
  it("is one JSON object a line: level, time, the migration, the role, the event", () => {
    const { log, lines } = recording();
    log
      .child({ migration: "move" })
      .child({ role: "apply" })
      .info({ event: "lane-joined", position: "0/1:2" }, "met\nthe main lane");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      migration: "move",
      role: "apply",
      event: "lane-joined",
      position: "0/1:2",
      msg: "met\nthe main lane",
    });
  });

  it("has an error with its code and causes, and nothing of what a driver has put on it", () => {
    const { log, lines } = recording();
    const driver = Object.assign(new Error("duplicate key"), {
      code: "23505",
      detail: "Key (email)=(a@b.example) exists",
      client: {},
    });
    log.warn(
      { event: "role-waits", error: new RehouseError("REHOUSE_UNREACHABLE", { what: "away", where: "host", cause: driver }) },
      "waits",
    );
    expect(JSON.parse(lines[0] ?? "").error).toEqual({
      code: "REHOUSE_UNREACHABLE",
      what: "away",
      where: "host",
      cause: { name: "Error", what: "duplicate key", code: "23505" },
    });
  });

  it("has no row of a customer, which Postgres adds to what it refuses", () => {
    const { log, lines } = recording();
    const what = "refused: Failing row contains (2, (a) b, c@d.example). Key (email, n)=(c@d.example, 2) already exists.";
    log.error({ event: "stopped", what }, what);
    const record = JSON.parse(lines[0] ?? "");
    expect([record.what, record.msg]).toEqual([expect.stringContaining("Failing row contains (…)"), record.what]);
    expect(lines[0]).not.toContain("c@d.example");
  });

  it("ends at cycles and at big values", () => {
    const { log, lines } = recording();
    const cycle: Record<string, unknown> = { many: Array.from({ length: 1000 }, () => 1n), bytes: new Uint8Array(9) };
    cycle["self"] = cycle;
    log.debug({ event: "kafka", cycle }, "");
    expect((lines[0] ?? "").length).toBeLessThan(10_000);
    expect(JSON.parse(lines[0] ?? "").cycle.bytes).toBe("9 bytes");
  });

  it("refuses a level that there is not, and names those that there are", () => {
    expect(levelOf(undefined)).toBe("warn");
    expect(() => levelOf("verbose")).toThrow(
      expect.objectContaining({ code: "REHOUSE_USAGE", fix: expect.stringContaining("debug") }),
    );
  });
});

describe("a secret", () => {
  beforeAll(() => hide(SECRETS));

  const nested = (inner: string) => new Error("outer", { cause: new AggregateError([new Error(inner)], "several") });
  const places: [string, (secret: string) => object][] = [
    ["a field's text", (secret) => ({ text: `it said ${secret} here` })],
    ["a list in an object", (secret) => ({ deep: { er: [{ text: secret }] } })],
    ["a map", (secret) => ({ map: new Map([["a", secret]]) })],
    ["a driver's error", (secret) => ({ error: new Error(`password authentication failed with ${secret}`) })],
    ["a cause of a cause", (secret) => ({ error: nested(secret) })],
    [
      "an error of ours",
      (secret) => ({ error: new RehouseError("REHOUSE_SERVER", { what: secret, where: secret, fix: secret }) }),
    ],
    ["a URL, percent-encoded", (secret) => ({ at: `postgres://u:${encodeURIComponent(secret)}@host/db` })],
    ["a URL's query, percent-encoded", (secret) => ({ at: `https://host/hook?key=${encodeURIComponent(secret)}` })],
    ["JSON within a text", (secret) => ({ body: JSON.stringify({ sasl: { user: "u", pass: secret } }) })],
    ["base64", (secret) => ({ header: Buffer.from(secret).toString("base64") })],
    ["the name of a secret field", () => ({ webhookSecret: "hunter22", password: "x", api_key: "y" })],
  ];

  it.each(places)("is masked in %s", (_place, fields) => {
    for (const secret of SECRETS) {
      const { log, lines } = recording();
      log.warn({ event: "role-waits", ...fields(secret) }, `and in the sentence: ${secret}`);
      const line = lines[0] ?? "";
      expect(line).toContain("***");
      for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), btoa(secret)])
        expect(line).not.toContain(form);
    }
  });

  it("that nobody has told of is known by its place", () => {
    const { log, lines } = recording();
    const error = new Error("connect postgres://app:unt%6Fld@h/db?sslpassword=alsountold", {
      cause: new Error('{"username":"u","password":"unt\\"old"} Authorization: Basic dW50b2xkOnVudG9sZA=='),
    });
    log.error({ event: "stopped", error }, "password=untold");
    expect(lines[0]).not.toMatch(/unt(%6F|\\*"?o|o)ld|dW50b2xk/);
  });
});

describe("a record on a terminal", () => {
  it("is a line: time, level, role, event, tenant, sentence, the rest", () => {
    const { log, lines } = recording();
    log
      .child({ migration: "m", role: "control" })
      .error({ event: "stopped", tenant: "42", position: "0/1:2", what: "no such\nrow" }, "It stands.");
    expect(readable(lines[0] ?? "", style(false))).toMatch(
      /^\d\d:\d\d:\d\d error control stopped tenant 42: It stands\. position=0\/1:2 what="no such row"$/,
    );
  });

  it("shows nothing that a terminal would act on", () => {
    const { log, lines } = recording();
    log.info({ event: "in-sync", tenant: "a\u001b[2Jb" }, "x");
    expect(readable(lines[0] ?? "", style(false))).not.toContain("\u001b");
    expect(readable("no record\u001b[2J", style(false))).toBe("no record\u00b7[2J");
  });
});
