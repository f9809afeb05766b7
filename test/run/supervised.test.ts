/** The process of a role ends when its work is done, and when its supervisor is gone. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { SUPERVISED } from "../../src/run/supervised.ts";

const MODULE = fileURLToPath(new URL("../../src/run/supervised.ts", import.meta.url));

/** `work`: source text; `signal` is what the role gets. */
function role(work: string) {
  const script = `import { withSupervisor } from ${JSON.stringify(MODULE)};
    const signal = withSupervisor(new AbortController().signal);
    ${work}`;
  const arguments_ = ["--input-type=module", "--eval", script];
  return fork("", [], {
    execArgv: arguments_,
    stdio: ["ignore", "pipe", "inherit", "ipc"],
    env: { ...process.env, [SUPERVISED]: "1" },
  });
}

it("a role whose work is done ends, though its supervisor is there", async () => {
  const child = role("");
  expect(await once(child, "exit", { signal: AbortSignal.timeout(20_000) })).toEqual([0, null]);
});

it("a role whose supervisor is gone is told to stop", async () => {
  const child = role(`
    const work = setInterval(() => undefined, 1_000);
    signal.addEventListener("abort", () => clearInterval(work));
    process.stdout.write("at work");`);
  if (child.stdout !== null) await once(child.stdout, "data");
  child.disconnect();
  expect(await once(child, "exit", { signal: AbortSignal.timeout(10_000) })).toEqual([0, null]);
});

it("a role that does not stop then ends itself", { timeout: 40_000 }, async () => {
  const child = role(`setInterval(() => undefined, 1_000); process.stdout.write("at work");`);
  if (child.stdout !== null) await once(child.stdout, "data");
  child.disconnect();
  expect(await once(child, "exit", { signal: AbortSignal.timeout(30_000) })).toEqual([1, null]);
});
