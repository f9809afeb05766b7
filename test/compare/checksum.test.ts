import { expect, test } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { checksumColumns, readChecksum, rowHash, sameChecksum } from "../../src/compare/index.ts";
import { freshDatabases } from "../support/index.ts";

test("a checksum tells apart what sums might confuse", async () => {
  await using databases = await freshDatabases();
  const database = createDatabase({ url: databases.sourceUrl });
  const sum = async (rows: string) => {
    const [row] = await database.query(
      `SELECT ${checksumColumns(rowHash(["a", 'b COLLATE "C"', 'c COLLATE "C"']))} FROM (VALUES ${rows}) AS t(a, b, c)`,
    );
    return readChecksum(row ?? {});
  };
  const original = await sum("(1, 'x', 'p'), (2, 'y', 'q'), (3, 'z', NULL)");
  const changes = {
    "two rows that swap a value": "(1, 'y', 'p'), (2, 'x', 'q'), (3, 'z', NULL)",
    "two columns that swap their values": "(1, 'p', 'x'), (2, 'y', 'q'), (3, 'z', NULL)",
    "a value that moves to the column beside it": "(1, 'x', 'p'), (2, 'y', 'q'), (3, NULL, 'z')",
    "a row twice": "(1, 'x', 'p'), (2, 'y', 'q'), (3, 'z', NULL), (3, 'z', NULL)",
    "a row twice for one that is gone": "(1, 'x', 'p'), (1, 'x', 'p'), (3, 'z', NULL)",
    "a row less": "(1, 'x', 'p'), (2, 'y', 'q')",
    "NULL for an empty text": "(1, 'x', 'p'), (2, 'y', 'q'), (3, 'z', '')",
  };
  for (const [what, rows] of Object.entries(changes)) expect(sameChecksum(original, await sum(rows)), what).toBe(false);
  expect(sameChecksum(original, await sum("(3, 'z', NULL), (2, 'y', 'q'), (1, 'x', 'p')"))).toBe(true);
  await database.close();
});
