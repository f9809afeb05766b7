import { readFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import { armFailpoints, FAILPOINTS, failpoint } from "../src/failpoint.ts";

const silent = { warn: () => undefined };

describe("a failpoint", () => {
  afterEach(() => void armFailpoints(undefined, silent));

  it("does nothing while nothing is armed, nor when another place is", async () => {
    expect(failpoint("ack.before")).toBeUndefined();
    armFailpoints("ack.after=error", silent);
    await expect(failpoint("ack.before")).resolves.toBeUndefined();
  });

  it("fails as a server that is away does, once or as often as is said", async () => {
    armFailpoints("ack.before=error, publish.before=error*2", silent);
    await expect(failpoint("ack.before")).rejects.toMatchObject({ code: "REHOUSE_UNREACHABLE", policy: "retry" });
    await expect(failpoint("ack.before")).resolves.toBeUndefined();
    await expect(failpoint("publish.before")).rejects.toMatchObject({ code: "REHOUSE_UNREACHABLE" });
    await expect(failpoint("publish.before")).rejects.toMatchObject({ code: "REHOUSE_UNREACHABLE" });
    await expect(failpoint("publish.before")).resolves.toBeUndefined();
  });

  it("lets the passages before the nth go by, and says when it acts", async () => {
    const said: unknown[] = [];
    armFailpoints("phase.after=error@3", { warn: (...line: unknown[]) => said.push(line[1]) });
    await failpoint("phase.after");
    await failpoint("phase.after");
    expect(said).toEqual([]);
    await expect(failpoint("phase.after")).rejects.toMatchObject({ code: "REHOUSE_UNREACHABLE" });
    expect(said).toEqual(["failpoint phase.after=error@3"]);
  });

  it("waits where it is to wait", async () => {
    armFailpoints("ack.before=pause:30", silent);
    const began = performance.now();
    await failpoint("ack.before");
    expect(performance.now() - began).toBeGreaterThan(28);
  });

  it.for([
    "nowhere=exit",
    "ack.before",
    "ack.before=explode",
    "ack.before=pause",
    "ack.before=exit@0",
    "ack.before=error*",
    "ack.before=error;ack.after=error",
  ])("is a usage error when it is written %s", (variable) => {
    expect(() => armFailpoints(variable, silent)).toThrow(
      expect.objectContaining({ code: "REHOUSE_USAGE", where: "REHOUSE_FAILPOINTS", fix: expect.stringContaining("ack.before") }),
    );
  });

  it("stands in the documents with all others", async () => {
    const text = await readFile(new URL("../docs/faults.md", import.meta.url), "utf8");
    const documented = [...text.matchAll(/^\| `([a-z.]+)` \| (.*) \|$/gm)].map(([, name, meaning]) => [name, meaning]);
    expect(documented).toEqual(Object.entries(FAILPOINTS));
  });
});
