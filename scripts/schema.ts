import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { migrationJsonSchema } from "../src/file/json-schema.ts";

/* Writes schemas/migration.schema.json from the zod schema; with --check only says whether it is current. */

const file = fileURLToPath(new URL("../schemas/migration.schema.json", import.meta.url));
const wanted = `${JSON.stringify(migrationJsonSchema(), null, 2)}\n`;

if (process.argv.includes("--check")) {
  const written = await readFile(file, "utf8").catch(() => "");
  if (written !== wanted) {
    process.stderr.write("schemas/migration.schema.json is not current: run `npm run schema`\n");
    process.exitCode = 1;
  }
} else {
  await writeFile(file, wanted);
}
