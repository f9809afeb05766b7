import fc from "fast-check";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ident, identList, literal, qualified } from "../../src/model/sql.ts";
import { addresses } from "../support/index.ts";

const hostile = fc.string({
  unit: fc.constantFrom("'", '"', "\\", ";", "-", "/", "*", "$", "\n", "a", "é", "😀", " ", "%"),
  minLength: 1,
  maxLength: 15,
});

describe("quoting", () => {
  let client: Client;
  beforeAll(async () => {
    client = new Client({ connectionString: addresses().targetUrl });
    await client.connect();
  });
  afterAll(() => client.end());

  it.each(["on", "off"])("gives a literal that reads back as itself with standard_conforming_strings %s", async (setting) => {
    await client.query(`SET standard_conforming_strings = ${setting}`);
    await fc.assert(
      fc.asyncProperty(hostile, async (value) => {
        const { rows } = await client.query<{ value: string }>(`SELECT ${literal(value)} AS value`);
        expect(rows).toEqual([{ value }]);
      }),
      { numRuns: 100 },
    );
  });

  it("gives an identifier that names exactly that column", async () => {
    await fc.assert(
      fc.asyncProperty(hostile, async (name) => {
        const { rows } = await client.query(`SELECT 1 AS ${ident(name)}`);
        expect(rows).toEqual([{ [name]: 1 }]);
      }),
      { numRuns: 100 },
    );
  });

  it("keeps literals apart from the word before them", () => {
    expect(`SELECT${literal("\\")}`).toBe("SELECT E'\\\\'");
  });

  it("joins names", () => {
    expect(qualified({ schema: 'a"b', table: "c.d" })).toBe('"a""b"."c.d"');
    expect(identList(["a", "b"])).toBe('"a", "b"');
  });

  it("refuses what no Postgres name or text can hold", () => {
    expect(() => ident("a\0")).toThrow(RangeError);
    expect(() => literal("a\0")).toThrow(RangeError);
  });
});
