import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { RehouseProcess } from "../support/index.ts";

const SERVER = "postgres://127.0.0.1:1/";
const FILE = { migration: "m", source: `${SERVER}a`, target: `${SERVER}b`, tables: { orders: {} } };

it("what a verb compiles is kept for the next one", async () => {
  const directory = await mkdtemp(join(tmpdir(), "rehouse-cache-"));
  try {
    const file = join(directory, "rehouse.yaml");
    await writeFile(
      file,
      JSON.stringify({ ...FILE, kafka: { brokers: ["127.0.0.1:1"] }, registry: { url: "http://127.0.0.1:1" } }),
    );
    await using verb = new RehouseProcess(["status", "-f", file, "--json"], { TMPDIR: directory, NODE_COMPILE_CACHE: "" });
    expect(JSON.parse((await verb.ended).out)).toMatchObject({ error: { code: "REHOUSE_UNREACHABLE" } });
    expect(await readdir(directory)).toContain("node-compile-cache");
  } finally {
    await rm(directory, { recursive: true });
  }
});
