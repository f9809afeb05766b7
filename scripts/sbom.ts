/** `npm run --silent sbom > sbom.json`: what an installation brings along, as CycloneDX, from the lock file alone. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const component = z.looseObject({
  "bom-ref": z.string(),
  name: z.string(),
  externalReferences: z.array(z.looseObject({ type: z.string() })).optional(),
});
const bom = z.looseObject({
  metadata: z.looseObject({ component }),
  components: z.array(component),
  dependencies: z.array(z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()).default([]) })),
});

// Not with --omit=dev, which also leaves out what a development dependency happens to need as well.
const npm = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
const printed = execFileSync("npm", npm, {
  cwd: ROOT,
  encoding: "utf8",
  stdio: ["ignore", "pipe", "ignore"],
  maxBuffer: 64 * 1024 * 1024,
});
const all = bom.parse(JSON.parse(printed));
const { name, dependencies } = z
  .object({ name: z.string(), dependencies: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")));

const root = all.metadata.component;
const needs = new Map(all.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
const first = (needs.get(root["bom-ref"]) ?? []).filter((ref) => Object.hasOwn(dependencies, ref.slice(0, ref.lastIndexOf("@"))));
const installed = reached(first);

const said = {
  ...all,
  metadata: { ...all.metadata, component: { ...withoutDownloads(root), name } },
  components: all.components.filter((one) => installed.has(one["bom-ref"])).map(withoutDownloads),
  dependencies: [{ ref: root["bom-ref"], dependsOn: first }, ...all.dependencies.filter(({ ref }) => installed.has(ref))],
};
process.stdout.write(`${JSON.stringify(said, null, 2)}\n`);

function reached(from: readonly string[]): Set<string> {
  const found = new Set<string>(from);
  for (const ref of found) for (const next of needs.get(ref) ?? []) found.add(next);
  return found;
}

/** Where npm has downloaded it from is no part of what it is. */
function withoutDownloads(one: z.infer<typeof component>): z.infer<typeof component> {
  return { ...one, externalReferences: (one.externalReferences ?? []).filter(({ type }) => type !== "distribution") };
}
