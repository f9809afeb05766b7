import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/cli/engine.ts";
import { RehouseError } from "../../src/errors.ts";
import { ConnectionLost } from "../../src/ports.ts";
import { rehearsal, rehouse, status, tenant } from "./support.ts";

const methods = (calls: { method: string }[]) => calls.map(({ method }) => method);

describe("a verb", () => {
  it.each([
    [["check"], "check", undefined],
    [["run", "--until", "in-sync"], "run", { until: "in-sync", roles: undefined }],
    [["run", "--role", "capture", "apply", "--role", "apply"], "run", { until: undefined, roles: ["capture", "apply"] }],
    [["status"], "status", undefined],
    [["doctor"], "doctor", undefined],
    [["verify"], "verify", { tenants: undefined }],
    [["verify", "--tenant", "42", "--tenant=-7"], "verify", { tenants: ["42", "-7"] }],
    [["pause"], "pause", { forMs: undefined }],
    [["pause", "--for", "2h"], "pause", { forMs: 7_200_000 }],
    [["throttle"], "throttled", undefined],
    [["throttle", "--pace", "0.5"], "throttle", { pace: 0.5, role: undefined, forMs: undefined }],
    [["throttle", "--pace", "0", "--role", "apply", "--for", "90s"], "throttle", { pace: 0, role: "apply", forMs: 90_000 }],
    [["resume"], "resume", undefined],
    [["retry", "--tenant", "42"], "retry", { tenants: ["42"] }],
    [["cancel", "--yes"], "cancel", undefined],
  ])("%j asks the engine, ends with 0, and frees the engine", async (args, method, options) => {
    const { exit, calls, err } = await rehouse([...args, "-f", "FILE", "--json"]);
    expect(err).toBe("");
    expect(exit).toBe(0);
    expect(methods(calls)).toEqual([method, "dispose"]);
    if (options !== undefined) expect(calls[0]?.options).toMatchObject(options);
  });

  it.each(["check", "run", "status", "doctor", "verify", "pause", "resume", "throttle"])(
    "%s --json prints one document with its format's version",
    async (verb) => {
      const { out } = await rehouse([verb, "-f", "FILE", "--json"]);
      expect(out.endsWith("\n")).toBe(true);
      expect(JSON.parse(out)).toMatchObject({ formatVersion: 1 });
    },
  );

  it("frees the engine also when it fails", async () => {
    const { calls, exit } = await rehouse(["pause", "-f", "FILE"], {
      engine: {
        pause: async () => {
          throw new RehouseError("REHOUSE_NO_MIGRATION", { what: "No such migration." });
        },
      },
    });
    expect(exit).toBe(2);
    expect(methods(calls)).toEqual(["dispose"]);
  });
});

describe("the exit code", () => {
  const finding = { code: "X", place: "source", what: "what", fix: "fix" };
  it("of check is 1 when something stands in the way, and 0 for warnings", async () => {
    const run = (severity: "error" | "warning") =>
      rehouse(["check", "-f", "FILE"], { engine: { check: async () => ({ findings: [{ ...finding, severity }] }) } });
    expect((await run("error")).exit).toBe(1);
    expect((await run("warning")).exit).toBe(0);
  });

  it("of doctor is 1 with any finding, and 3 when no server could be asked", async () => {
    const run = (answered: number, findings: (typeof finding & { severity: "error" | "warning" })[]) =>
      rehouse(["doctor", "-f", "FILE"], { engine: { doctor: async () => ({ state: "running", answered, findings }) } });
    expect((await run(4, [])).exit).toBe(0);
    const warned = await run(4, [{ ...finding, severity: "warning" }]);
    expect(warned).toMatchObject({ exit: 1, out: expect.stringContaining("1 warning; the migration move-enterprise runs.") });
    expect((await run(0, [{ ...finding, severity: "error" }])).exit).toBe(3);
  });

  it("of verify is 1 when the sides differ", async () => {
    const difference = {
      id: "d7",
      key: { id: "7" },
      kind: "different" as const,
      columns: ["total"],
      source: { total: "1" },
      target: { total: "2" },
      settled: true,
      foreignWrite: null,
      repaired: false,
    };
    const { exit, out } = await rehouse(["verify", "-f", "FILE"], {
      engine: {
        verify: async () => ({
          formatVersion: 1,
          equal: false,
          tenants: [
            {
              tenant: "42",
              phase: "in-sync",
              tables: [
                {
                  table: "public.orders",
                  rows: 9,
                  hash: "1",
                  position: "0/1",
                  at: "2026-01-01T00:00:00.000Z",
                  differences: [difference],
                  unsettled: 0,
                  omitted: 0,
                  unrepaired: [],
                },
              ],
            },
          ],
        }),
      },
    });
    expect(exit).toBe(1);
    expect(out).toContain("public.orders (id=7) differs in total");
  });

  it("of run is 1 when tenants need a person", async () => {
    const stuck = status({
      tenants: [tenant("17", "catching-up", { stopped: { code: "REHOUSE_CHANGE_REFUSED", what: "x", position: null } })],
    });
    const { exit, out } = await rehouse(["run", "--until", "in-sync", "-f", "FILE"], {
      engine: { run: async () => ({ outcome: "needs-person", status: stuck }) },
    });
    expect(exit).toBe(1);
    expect(out).toContain("1 of 1 tenants stopped");
  });

  it("of a server that cannot be reached is 3, of what nobody expected too", async () => {
    const failing = (error: unknown) =>
      rehouse(["check", "-f", "FILE"], { engine: { check: async () => Promise.reject(error) } });
    expect((await failing(new RehouseError("REHOUSE_UNREACHABLE", { what: "No answer." }))).exit).toBe(3);
    const broken = await failing(new ConnectionLost("Connection terminated unexpectedly"));
    expect(broken).toMatchObject({ exit: 3, err: expect.stringContaining("REHOUSE_UNREACHABLE") });
    const unexpected = await failing(new TypeError("x is undefined at postgres://u:hunter2@h/db"));
    expect(unexpected.exit).toBe(3);
    expect(unexpected.err).toContain("REHOUSE_INTERNAL");
    expect(unexpected.err).not.toContain("hunter2");
    expect(unexpected.err).not.toContain("    at ");
  });

  it("is 130 after an interrupt, whatever the engine throws on its way out", async () => {
    const controller = new AbortController();
    const { exit, err, calls } = await rehouse(["check", "-f", "FILE"], {
      signal: controller.signal,
      engine: {
        check: async (signal) => {
          controller.abort();
          throw signal.reason;
        },
      },
    });
    expect(exit).toBe(130);
    expect(err).toBe("");
    expect(methods(calls)).toEqual(["dispose"]);
  });
});

describe("an error", () => {
  it("is code, what, where and fix, and a stack only with REHOUSE_DEBUG=1", async () => {
    const engine = {
      check: async () => {
        throw new RehouseError("REHOUSE_SLOT_LOST", {
          what: "The slot is gone.",
          where: "source:5432/app",
          fix: "rehouse cancel",
        });
      },
    };
    const { err, exit, out } = await rehouse(["check", "-f", "FILE"], { engine });
    expect(exit).toBe(3);
    expect(out).toBe("");
    expect(err).toBe("REHOUSE_SLOT_LOST  The slot is gone.\n  where  source:5432/app\n  fix    rehouse cancel\n");
    const debugged = await rehouse(["check", "-f", "FILE"], { engine, io: { env: { REHOUSE_DEBUG: "1" } } });
    expect(debugged.err).toContain("    at ");
  });

  it("of the file lists every mistake, as text and as an array", async () => {
    const file = "migration: M\ntabels: {}\n";
    const text = await rehouse(["check", "-f", "FILE"], { file });
    expect(text.exit).toBe(2);
    expect(text.err).toContain("rehouse.yaml:2");
    expect(text.err).toContain("did you mean tables?");
    expect(text.calls).toEqual([]);
    const { out, err } = await rehouse(["check", "-f", "FILE", "--json"], { file });
    expect(err).toBe("");
    expect(JSON.parse(out)).toMatchObject({
      formatVersion: 1,
      error: {
        code: "REHOUSE_FILE_INVALID",
        mistakes: expect.arrayContaining([expect.objectContaining({ path: "tabels", line: 2, nearest: "tables" })]),
      },
    });
  });

  it("of a file that is not there says where it looked", async () => {
    const { exit, out } = await rehouse(["status", "-f", "nowhere.yaml", "--json"]);
    expect(exit).toBe(2);
    expect(JSON.parse(out).error).toMatchObject({
      code: "REHOUSE_FILE_NOT_FOUND",
      where: expect.stringMatching(/nowhere\.yaml$/),
    });
  });
});

describe("a wrong command line", () => {
  it.each([
    [["stauts"], "Unknown command 'stauts' (Did you mean status?)"],
    [["status", "--wacth"], "Unknown option '--wacth' (Did you mean --watch?)"],
    [["run", "--role", "cook"], "'cook' is invalid. Allowed choices are capture, backfill, apply, reconcile, control."],
    [["run", "--until", "tomorrow"], "Allowed choices are in-sync."],
    [["retry"], "Required option '--tenant <tenant>' not specified"],
    [["check", "more"], "Too many arguments for 'check'"],
    [["rehearse", "--tenant", "42", "--fraction", "0.1"], "--tenant and --fraction exclude one another."],
    [["rehearse", "--fraction", "2"], "It is a number between 0 and 1"],
    [["cutover"], "Which tenants are to be switched is not said."],
    [["cutover", "--tenant", "42", "--all"], "--tenant and --all exclude one another."],
    [["cutover", "--all", "--parallel", "0"], "It is a number from 1 to 64."],
    [["import", "check", "a.csv", "--json"], "`rehouse import` is not in this version."],
  ])("%j is refused by name", async (args, message) => {
    const { exit, err, out, calls } = await rehouse(args);
    expect(exit).toBe(2);
    expect(calls).toEqual([]);
    const text = args.includes("--json") ? JSON.parse(out).error : { code: "REHOUSE_USAGE", what: err };
    expect(text.code).toBe("REHOUSE_USAGE");
    expect(text.what).toContain(message);
  });

  it("without a verb shows the help, and asking for help is no error", async () => {
    const bare = await rehouse([]);
    expect(bare.exit).toBe(2);
    expect(bare.out).toContain("Usage: rehouse");
    const asked = await rehouse(["--help"]);
    expect(asked.exit).toBe(0);
    expect(asked.out).toContain("verify");
    expect(asked.out).not.toContain("import");
    expect((await rehouse(["run", "--help"])).exit).toBe(0);
    expect((await rehouse(["--version"])).out).toBe("1.2.3\n");
  });
});

describe("rehearse", () => {
  it("asks for the whole unless told otherwise, and ends with 0 when both ends are equal", async () => {
    const { exit, out, calls } = await rehouse(["rehearse", "-f", "FILE"]);
    expect(exit).toBe(0);
    expect(calls[0]).toMatchObject({ method: "rehearse", options: { sample: { kind: "whole" }, on: undefined, keep: false } });
    expect(out).toContain("There and back, and both ends are equal");
  });

  it("tells of a step that failed, of what was refused and of what the copy lacked, and ends with 1", async () => {
    const failure = {
      step: "cutover" as const,
      code: "REHOUSE_REHEARSAL",
      what: "tenant 42 was not switched",
      where: null,
      fix: null,
    };
    const refused = [
      { side: "target" as const, sqlstate: "23514", table: "t", constraint: "brief", count: 3, example: "too long" },
    ];
    const traffic = { rate: 50, acknowledged: { source: 9, target: 0 }, madeAgain: 0, refused, unknown: 0, failed: [] };
    const lacking = [{ what: "trigger shout", place: "source public.t" }];
    const failed = rehearsal({ outcome: "failed", failure, traffic, lacking });
    const { exit, out } = await rehouse(["rehearse", "--tenant", "42", "-f", "FILE"], {
      engine: { rehearse: async () => failed },
    });
    expect(exit).toBe(1);
    for (const text of ["tenant 42 was not switched", "3 at the target: 23514 t brief", "source public.t: trigger shout"])
      expect(out).toContain(text);
  });
});

describe("a warning before a switch", () => {
  it("is on stderr, and leaves stdout and the exit code as they are", async () => {
    const warning = { code: "never-rehearsed" as const, what: "this move was never rehearsed", fix: "rehearse it" };
    const cutover: Engine["cutover"] = async ({ onWarning }) => {
      onWarning?.(warning);
      return { formatVersion: 1, migration: "move-enterprise", tenants: [], warnings: [warning] };
    };
    const { exit, out, err } = await rehouse(["cutover", "--all", "--json", "-f", "FILE"], { engine: { cutover } });
    expect(exit).toBe(0);
    expect(JSON.parse(out).warnings).toEqual([warning]);
    expect(err).toContain("never-rehearsed  this move was never rehearsed: rehearse it");
  });
});

describe("cancel", () => {
  it("asks for the migration's name", async () => {
    const asking = (answer: string) => rehouse(["cancel", "-f", "FILE"], { io: { ask: async () => answer } });
    const right = await asking("move-enterprise");
    expect(right.exit).toBe(0);
    expect(methods(right.calls)).toEqual(["cancel", "dispose"]);
    const wrong = await asking("yes");
    expect(wrong.exit).toBe(2);
    expect(methods(wrong.calls)).toEqual(["dispose"]);
  });

  it("does nothing where nobody can be asked, without --yes", async () => {
    const { exit, err, calls } = await rehouse(["cancel", "-f", "FILE"]);
    expect(exit).toBe(2);
    expect(err).toContain("--yes");
    expect(methods(calls)).toEqual(["dispose"]);
  });
});

describe("verify --report", () => {
  it("writes the page beside what it prints, and leaves nothing else", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rehouse-report-"));
    const { exit, out } = await rehouse(["verify", "-f", "FILE", "--json", "--report", join(folder, "out.html")]);
    expect(exit).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ equal: true });
    expect(await readdir(folder)).toEqual(["out.html"]);
    expect(await readFile(join(folder, "out.html"), "utf8")).toContain("Both sides are equal.");
    await rm(folder, { recursive: true });
  });

  it("is refused before anything is compared when the file cannot be written", async () => {
    const { exit, err, calls } = await rehouse(["verify", "-f", "FILE", "--report", "/nowhere/at/all/out.html"]);
    expect(exit).toBe(2);
    expect(err).toContain("/nowhere/at/all/out.html");
    expect(err).toContain("--report");
    expect(calls).toEqual([]);
  });

  it("leaves no file behind when comparing fails", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rehouse-report-"));
    const verify = async () => Promise.reject(new RehouseError("REHOUSE_UNREACHABLE", { what: "No answer." }));
    expect((await rehouse(["verify", "-f", "FILE", "--report", join(folder, "out.html")], { engine: { verify } })).exit).toBe(3);
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  });
});
