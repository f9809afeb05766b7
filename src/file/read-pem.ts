import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Finding, Path } from "./mistakes.ts";
import type { SoundParts } from "./validate.ts";

type Tls = Exclude<NonNullable<SoundParts["kafka"]>["ssl"], boolean | undefined>;

/** Puts the text of PEM files in place of their paths, which are beside the migration file. */
export async function readPemFiles(file: SoundParts, filePath: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [tls, path] of tlsSections(file)) {
    for (const key of ["ca", "cert", "key"] as const) {
      const given = tls[key];
      if (given === undefined || given.includes("-----BEGIN")) continue;
      try {
        tls[key] = await readFile(resolve(dirname(filePath), given), "utf8");
      } catch {
        findings.push({
          path: [...path, key],
          found: "a file that cannot be read",
          expected: "the path of a PEM file (beside the migration file), or the PEM text itself",
        });
      }
    }
  }
  return findings;
}

function tlsSections(file: SoundParts): [Tls, Path][] {
  const sections: [Tls, Path][] = [];
  for (const side of ["source", "target"] as const) {
    const server = file[side];
    if (typeof server === "object" && typeof server.tls === "object") sections.push([server.tls, [side, "tls"]]);
  }
  if (typeof file.kafka?.ssl === "object") sections.push([file.kafka.ssl, ["kafka", "ssl"]]);
  if (typeof file.registry?.tls === "object") sections.push([file.registry.tls, ["registry", "tls"]]);
  return sections;
}
