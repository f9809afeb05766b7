import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

it("npm run sbom lists what an installation brings along, and nothing of where or with what it was developed", () => {
  const text = execFileSync(process.execPath, ["scripts/sbom.ts"], { cwd: ROOT, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  const { dependencies, devDependencies } = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8"));
  const { bomFormat, metadata, components } = JSON.parse(text);
  expect([bomFormat, metadata.component.name]).toEqual(["CycloneDX", "rehouse"]);
  const names = new Set<string>(components.map(({ name }: { name: string }) => name));
  expect(Object.keys(dependencies).filter((name) => !names.has(name))).toEqual([]);
  const developed = Object.keys(devDependencies).filter((name) => !name.startsWith("@types/") && name !== "avsc");
  expect(developed.filter((name) => names.has(name))).toEqual([]);
  expect(text).not.toMatch(/\.tgz|registry\.npmjs|"type": "distribution"/);
});
