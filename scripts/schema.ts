import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { openApiDocument } from "../src/api/index.ts";
import { migrationJsonSchema } from "../src/file/json-schema.ts";
import { ROUTE_KEY_SCHEMA, ROUTE_SCHEMA } from "../src/route/index.ts";

/* Writes what of schemas/ comes from the code; with --check only says whether it is current. */

const WRITTEN: Readonly<Record<string, unknown>> = {
  "migration.schema.json": migrationJsonSchema(),
  "openapi.json": openApiDocument(),
  "route-key.avsc": JSON.parse(ROUTE_KEY_SCHEMA.text),
  "route.avsc": JSON.parse(ROUTE_SCHEMA.text),
};

for (const [name, schema] of Object.entries(WRITTEN)) {
  const file = fileURLToPath(new URL(`../schemas/${name}`, import.meta.url));
  const wanted = `${JSON.stringify(schema, null, 2)}\n`;
  if (!process.argv.includes("--check")) await writeFile(file, wanted);
  else if ((await readFile(file, "utf8").catch(() => "")) !== wanted) {
    process.stderr.write(`schemas/${name} is not current: run \`npm run schema\`\n`);
    process.exitCode = 1;
  }
}
