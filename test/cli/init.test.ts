import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rehouse } from "./support.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rehouse-init-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("init", () => {
  it("asks for a source where none is said", async () => {
    const { exit, err } = await rehouse(["init"]);
    expect(exit).toBe(2);
    expect(err).toContain("export SOURCE_URL=");
  });

  it("touches no file that is there, and says so before the database is asked", async () => {
    const path = join(folder, "rehouse.yaml");
    await writeFile(path, "mine");
    const { exit, err } = await rehouse(["init", "-o", path], { io: { env: { SOURCE_URL: "postgres://app@db/app" } } });
    expect({ exit, text: await readFile(path, "utf8") }).toEqual({ exit: 2, text: "mine" });
    expect(err).toContain("--force writes over it");
  });

  it.each([
    [["init", "--name", "Move"], "It is lower-case letters"],
    [["init", "more"], "Too many arguments"],
  ])("%j is refused", async (args, message) => {
    const { exit, err } = await rehouse(args);
    expect(exit).toBe(2);
    expect(err).toContain(message);
  });
});
