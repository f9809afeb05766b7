import { describe, expect, it } from "vitest";
import { RehouseError } from "../../src/errors.ts";
import { rehouse, status } from "./support.ts";

/** A status that is asked for `times` times, and then the interrupt. */
function until(times: number, each: (time: number) => Promise<ReturnType<typeof status>>) {
  const controller = new AbortController();
  let asked = 0;
  return {
    signal: controller.signal,
    status: async () => {
      asked++;
      if (asked >= times) controller.abort();
      return each(asked);
    },
  };
}

const WATCH = ["status", "--watch", "--interval", "0.1", "-f", "FILE"];

describe("status --watch", () => {
  it("prints a JSON line per interval with --json, until it is interrupted", async () => {
    const { signal, status: asked } = until(3, async () => status());
    const { out, exit } = await rehouse([...WATCH, "--json"], { signal, engine: { status: asked } });
    expect(exit).toBe(130);
    const lines = out.trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ formatVersion: 1 });
  });

  it("prints a short line per interval off a terminal, without any escape sequence", async () => {
    const { signal, status: asked } = until(2, async () => status());
    const { out } = await rehouse(WATCH, { signal, engine: { status: asked } });
    expect(out.trimEnd().split("\n")).toHaveLength(2);
    expect(out).toContain("move-enterprise running");
    expect(out).not.toContain("\x1b");
  });

  it("draws in place in a terminal, and gives the cursor back", async () => {
    const { signal, status: asked } = until(3, async () => status());
    const { out } = await rehouse(WATCH, { signal, engine: { status: asked }, io: { terminal: true } });
    expect(out.split("\x1b[?2026h")).toHaveLength(4);
    const lines = out.split("\x1b[?2026h")[1]?.split("\n").length ?? 0;
    expect(out).toContain(`\x1b[${lines - 1}A`);
    expect(out.endsWith("\x1b[?25h")).toBe(true);
  });

  it("draws again when the terminal's size has changed, without waiting for the next look", async () => {
    const controller = new AbortController();
    const listeners: (() => void)[] = [];
    let columns = 100;
    const watching = rehouse(["status", "--watch", "--interval", "3600", "-f", "FILE"], {
      signal: controller.signal,
      engine: { status: async () => status({ migration: "m".repeat(40) }) },
      io: {
        terminal: true,
        columns: () => columns,
        onResize: (listener) => {
          listeners.push(listener);
          return () => void listeners.splice(listeners.indexOf(listener), 1);
        },
        out: (text) => {
          drawn += text;
          if (drawn.split("\x1b[?2026h").length === 2) {
            columns = 30;
            // Asked for twice within a moment, it is drawn once.
            setTimeout(() => [...listeners, ...listeners].map((listener) => listener()), 0);
          } else controller.abort();
        },
      },
    });
    let drawn = "";
    await watching;
    expect(drawn.split("\x1b[?2026h")).toHaveLength(3);
    expect(drawn).toContain("\x1b[2J\x1b[H");
    expect(listeners).toEqual([]);
  });

  it("keeps its picture while a server is away for a moment", async () => {
    const { signal, status: asked } = until(3, async (time) => {
      if (time === 2) throw new RehouseError("REHOUSE_UNREACHABLE", { what: "No answer from the target." });
      return status();
    });
    const { out, exit } = await rehouse(WATCH, { signal, engine: { status: asked } });
    expect(exit).toBe(130);
    expect(out.split("\n")[1]).toContain("not current: No answer from the target.");
  });

  it("ends with the error when there is nothing to watch", async () => {
    const { exit, err } = await rehouse(WATCH, {
      engine: { status: async () => Promise.reject(new RehouseError("REHOUSE_NO_MIGRATION", { what: "There is none." })) },
    });
    expect(exit).toBe(2);
    expect(err).toContain("REHOUSE_NO_MIGRATION");
  });
});

describe("run", () => {
  it("shows progress and events, and goes on when the view fails", async () => {
    const { out, exit } = await rehouse(["run", "-f", "FILE"], {
      engine: {
        status: async () => status(),
        run: async ({ onEvent }) => {
          onEvent({ level: "info", role: "capture", text: "started at 0/1A2B3C4" });
          return { outcome: "interrupted", status: status() };
        },
      },
    });
    expect(exit).toBe(130);
    expect(out).toContain("capture: started at 0/1A2B3C4");
    expect(out).toContain("goes on where it was");
  });

  it("keeps stdout for the one document with --json", async () => {
    const { out, err } = await rehouse(["run", "--until", "in-sync", "-f", "FILE", "--json"], {
      engine: {
        run: async ({ onEvent }) => {
          onEvent({ level: "warning", role: "apply", text: "lost postgres://u:hunter2@h/db" });
          return { outcome: "in-sync", status: status() };
        },
      },
    });
    expect(JSON.parse(out)).toMatchObject({ formatVersion: 1, migration: "move-enterprise", outcome: "in-sync" });
    expect(err).toBe("apply: lost postgres://u:***@h/db\n");
  });
});
