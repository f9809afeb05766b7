import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { TextArray } from "../../src/apply/text-array.ts";
import type { Database, Session } from "../../src/ports.ts";
import { addresses } from "../support/index.ts";

describe("a text[] parameter in binary", () => {
  let database: Database;
  let session: Session;
  beforeAll(async () => {
    database = createDatabase({ url: addresses().targetUrl });
    session = await database.connect();
  });
  afterAll(async () => {
    await session.close();
    await database.close();
  });

  /** What Postgres makes of it, element by element. */
  async function read(parameter: Buffer): Promise<(string | null)[]> {
    const [result] = await session.pipeline([{ sql: "SELECT unnest($1::text[]) AS element", params: [parameter] }]);
    return (result?.rows ?? []).map((row) => row["element"] ?? null);
  }

  const values = fc.option(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 40 }).map((text) => Buffer.from(text.replaceAll("\0", "")).toString()),
      // Both sides of the length from which bytes are copied at once.
      fc.integer({ min: 22, max: 26 }).map((length) => "x".repeat(length)),
      fc.constantFrom("", "NULL", "{}", '"', "\\", "\\N", "a,b", "\t\n", "é", "😀"),
    ),
    { freq: 5 },
  );

  it("is read by Postgres as the values that went in", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(values, { maxLength: 40 }), fc.nat({ max: 64 }), async (texts, expectedBytes) => {
        const array = new TextArray(expectedBytes);
        for (const text of texts) array.appendText(text);
        expect(await read(array.finish())).toEqual(texts);
      }),
      { numRuns: 300 },
    );
  });

  it("is, byte for byte, what Postgres itself would send", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(values, { minLength: 1, maxLength: 10 }), async (texts) => {
        const array = new TextArray();
        for (const text of texts) array.appendText(text);
        const bytes = array.finish();
        const [result] = await session.pipeline([
          { sql: "SELECT encode(array_send($1::text[]), 'hex') AS bytes", params: [bytes] },
        ]);
        expect(result?.rows[0]?.["bytes"]).toBe(bytes.toString("hex"));
      }),
      { numRuns: 100 },
    );
  });

  it("takes values out of the middle of other bytes, and grows as it must", async () => {
    const bytes = Buffer.from("before|täg|after");
    const large = Buffer.alloc(3_000_000, "y");
    const array = new TextArray(0);
    array.append(bytes, 7, 11);
    array.append(large, 0, large.length);
    array.append(bytes, 3, 3);
    const read3 = await read(array.finish());
    expect([read3[0], read3[1]?.length, read3[2]]).toEqual(["täg", large.length, ""]);
  });
});
