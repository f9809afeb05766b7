import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Environment,
  loadMigrationFile,
  type MigrationFile,
  MigrationFileError,
  type Mistake,
} from "../../src/file/index.ts";

/** The part of a file that no test here is about. */
export const HEAD = `migration: move-enterprise
source: postgres://app@source/app
target: postgres://app@target/app
kafka: { brokers: ["localhost:9092"] }
registry: { url: "http://localhost:8081" }
`;

export async function inDirectory<T>(files: Record<string, string>, use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "rehouse-file-"));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

export async function load(text: string, env: Environment = {}): Promise<MigrationFile> {
  return inDirectory({ "rehouse.yaml": text }, (directory) => loadMigrationFile(join(directory, "rehouse.yaml"), env));
}

/** The error that a file is answered with. */
export async function refusal(text: string, env: Environment = {}): Promise<MigrationFileError> {
  return load(text, env).then(
    () => {
      throw new Error("the file was accepted");
    },
    (error: unknown) => {
      if (error instanceof MigrationFileError) return error;
      throw error;
    },
  );
}

export async function mistakesOf(text: string, env: Environment = {}): Promise<readonly Mistake[]> {
  return (await refusal(text, env)).mistakes;
}
