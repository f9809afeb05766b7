import { describe, expect, it } from "vitest";
import { redact, secretsOfUrl } from "../../src/redact.ts";

describe("redact", () => {
  it.each([
    ["postgres://user:hunter2@host:5432/db", "postgres://user:***@host:5432/db"],
    ["at postgres://user:hun@ter2@host/db, and on", "at postgres://user:***@host/db, and on"],
    ["postgres://user:hun/ter2#x@host/db", "postgres://user:***@host/db"],
    ["http://:hunter2@registry:8081", "http://:***@registry:8081"],
    ["postgres//user:hunter2@host/db", "postgres//user:***@host/db"],
    ["host=h password=hunter2 user=u", "host=h password=*** user=u"],
    ["host=h password='hun ter2' user=u", "host=h password='***' user=u"],
    ["postgres://h/db?password=hunter2&ssl=1", "postgres://h/db?password=***&ssl=1"],
    ['{"username":"u","password":"hunter2","x":1}', '{"username":"u","password":"***","x":1}'],
    ["sasl: { mechanism: plain, password: hunter2 }", "sasl: { mechanism: plain, password: *** }"],
    ["Authorization: Bearer hunter2.abc", "Authorization: Bearer ***"],
    ["auth: { token: hunter2 }", "auth: { token: *** }"],
  ])("%s", (text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  it.each(["postgres://user@host:5432/db", "http://localhost:8081/a@b", "tables.orders: 12:30 today", "orders.password_hash"])(
    "leaves %s alone",
    (text) => {
      expect(redact(text)).toBe(text);
    },
  );

  it("masks known secrets wherever they stand", () => {
    const secrets = secretsOfUrl("postgres://u:hunter%232@h/db");
    expect(secrets).toEqual(["hunter%232", "hunter#2"]);
    expect(redact('authentication failed with "hunter#2"', secrets)).toBe('authentication failed with "***"');
  });

  it("masks twice what once masked", () => {
    expect(redact(redact("postgres://u:p@h/db password=x"))).toBe("postgres://u:***@h/db password=***");
  });
});
