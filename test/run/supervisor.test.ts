import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Role, RunEvent } from "../../src/cli/engine.ts";
import { createLogger } from "../../src/log.ts";
import { supervise } from "../../src/run/supervisor.ts";

/** What one start of a role does; without `exit` or `kill` it works until it is told to end. */
type Act = { say?: string; error?: { code: string; what: string; fix?: string }; exit?: number; kill?: string };

const ENTRY = fileURLToPath(new URL("role-script.mjs", import.meta.url));

describe("the supervisor of roles", () => {
  let folder: string;
  let stop: AbortController;
  let events: RunEvent[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "supervisor-"));
    stop = new AbortController();
    events = [];
  });
  afterEach(() => {
    stop.abort();
    rmSync(folder, { recursive: true });
  });

  const log = () => join(folder, "log");
  const starts = (role: Role) =>
    readFileSync(log(), "utf8")
      .split("\n")
      .filter((line) => line === role).length;

  /** The last act of a list is repeated. */
  function run(roles: Partial<Record<Role, Act[]>>): Promise<void> {
    const filePath = join(folder, "script.json");
    writeFileSync(log(), "");
    writeFileSync(filePath, JSON.stringify({ log: log(), roles }));
    const names = Object.keys(roles) as Role[];
    return supervise(
      { roles: names, entry: ENTRY, filePath, onEvent: (event) => events.push(event), log: createLogger("silent") },
      stop.signal,
    );
  }

  it("starts a role again that was killed, and leaves the others alone", async () => {
    const running = run({ capture: [{ kill: "SIGKILL" }, { kill: "SIGKILL" }, {}], apply: [{}] });
    await expect.poll(() => starts("capture"), { timeout: 20_000 }).toBe(3);
    expect(starts("apply")).toBe(1);
    expect(events).toContainEqual({ level: "warning", role: "capture", text: "killed by SIGKILL; it is started again" });
    stop.abort();
    await running;
  });

  it("ends all with the error that a person has to act on", async () => {
    const error = { code: "REHOUSE_SLOT_LOST", what: "the slot is gone", fix: "cancel" };
    await expect(run({ capture: [{ error, exit: 3 }], apply: [{}] })).rejects.toMatchObject({
      code: error.code,
      message: error.what,
      fix: error.fix,
    });
    expect(starts("capture")).toBe(1);
  });

  it("starts a role again as long as it only finds a server away", async () => {
    const away: Act = { error: { code: "REHOUSE_UNREACHABLE", what: "no server" }, exit: 3 };
    const running = run({ apply: [away, away, {}] });
    await expect.poll(() => starts("apply"), { timeout: 20_000 }).toBe(3);
    expect(events).toContainEqual({ level: "warning", role: "apply", text: "no server; it is started again" });
    stop.abort();
    await running;
  });

  it("gives up on a role that dies again and again", async () => {
    await expect(run({ apply: [{ exit: 1 }], capture: [{}] })).rejects.toMatchObject({
      code: "REHOUSE_INTERNAL",
      message: expect.stringContaining("apply died 8 times"),
    });
  }, 60_000);

  it("passes on every line that a role says, whole, and its last words", async () => {
    const running = run({ apply: [{ say: "first ünï\n\nlast words", kill: "SIGKILL" }, {}] });
    await expect.poll(() => starts("apply"), { timeout: 20_000 }).toBe(2);
    expect(events.filter(({ level }) => level === "info").map(({ text }) => text)).toEqual(["first ünï", "last words"]);
    stop.abort();
    await running;
  });

  it("starts nothing when it is told to end before it begins", async () => {
    stop.abort();
    await run({ apply: [{}] });
    expect(starts("apply")).toBe(0);
  });
});
