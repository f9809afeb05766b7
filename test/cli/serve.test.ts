import { describe, expect, it } from "vitest";
import type { Access, TokenRecord } from "../../src/access/index.ts";
import type { RunOutcome } from "../../src/cli/documents.ts";
import { RehouseError } from "../../src/errors.ts";
import { rehouse, status } from "./support.ts";

const token: TokenRecord = {
  id: "0123456789abcdef",
  name: "ci\x1b[31m",
  role: "operator",
  createdBy: "root@db",
  createdAt: "2026-01-01T00:00:00.000Z",
  expiresAt: "2026-04-01T00:00:00.000Z",
  revokedAt: null,
  lastUsedAt: null,
};
const TEXT = "rht_0123456789abcdef_secret";

function access(more: Partial<Access>): Access {
  const unasked = async () => Promise.reject(new Error("not asked for"));
  return {
    ...{ createToken: unasked, listTokens: unasked, revokeToken: unasked, hasToken: async () => false },
    ...{ authenticate: unasked, begin: unasked, end: unasked, audit: unasked },
    ...more,
  };
}

describe("serve token", () => {
  it("prints a new one alone on stdout", async () => {
    const asked: unknown[] = [];
    const createToken: Access["createToken"] = async (of) => {
      asked.push(of);
      return { token, text: TEXT };
    };
    const args = ["serve", "token", "create", "--role", "operator", "--name", "ci", "--expires", "90d", "-f", "FILE"];
    const { exit, out, err } = await rehouse(args, { engine: { access: access({ createToken }) } });
    expect({ exit, out }).toEqual({ exit: 0, out: `${TEXT}\n` });
    expect(err).not.toContain(TEXT);
    expect(err).not.toContain("\x1b");
    expect(asked).toMatchObject([
      { role: "operator", name: "ci", expiresInMs: 90 * 86_400_000, by: expect.stringContaining("@") },
    ]);
    const json = await rehouse([...args, "--json"], { engine: { access: access({ createToken }) } });
    expect(JSON.parse(json.out)).toMatchObject({ formatVersion: 1, text: TEXT, token: { id: token.id } });
  });

  it("lists them without what lets anybody in, and says what has become of each", async () => {
    const revoked = { ...token, name: "old", revokedAt: "2026-02-01T00:00:00.000Z" };
    const listTokens = async () => [token, revoked];
    const { out } = await rehouse(["serve", "token", "list", "-f", "FILE"], { engine: { access: access({ listTokens }) } });
    expect(out).toMatch(/^0123456789abcdef {2}operator {2}ci.* expire[sd] 2026-04-01.*never used$/m);
    expect(out).toMatch(/old {2}revoked 2026-02-01/);
  });

  it("says when there is nothing to revoke", async () => {
    const revokeToken = async () => Promise.reject(new RehouseError("REHOUSE_NOT_FOUND", { what: "No such token." }));
    const { exit, err } = await rehouse(["serve", "token", "revoke", "x", "-f", "FILE"], {
      engine: { access: access({ revokeToken }) },
    });
    expect({ exit, err }).toMatchObject({ exit: 2, err: expect.stringContaining("REHOUSE_NOT_FOUND") });
  });

  it.each([
    [["create", "--name", "x"], "--role"],
    [["create", "--role", "root", "--name", "x"], "viewer, operator, admin"],
    [["create", "--role", "viewer"], "--name"],
    [["create", "--role", "viewer", "--name", " "], "1 to 100 characters"],
    [["create", "--role", "viewer", "--name", "x", "--expires", "soon"], "90d"],
    [["create", "--role", "viewer", "--name", "x", "--expires", "0d"], "90d"],
    [["revoke"], "missing required argument"],
  ])("%j is refused by name", async (args, message) => {
    const { exit, err, calls } = await rehouse(["serve", "token", ...args, "-f", "FILE"]);
    expect(exit).toBe(2);
    expect(err.toLowerCase()).toContain(message.toLowerCase());
    expect(calls).toEqual([]);
  });
});

describe("serve", () => {
  it("says where it listens, until it is stopped", async () => {
    const stop = new AbortController();
    let printed = "";
    const io = {
      out: (text: string) => {
        printed += text;
        stop.abort();
      },
    };
    const { exit, calls } = await rehouse(["serve", "--listen", "127.0.0.1:0", "-f", "FILE"], { io, signal: stop.signal });
    expect(printed).toMatch(/^The API of move-enterprise is at http:\/\/127\.0\.0\.1:\d+\/api\/v1; Ctrl-C stops it\.\n$/);
    expect(exit).toBe(130);
    expect(calls).toEqual([{ method: "dispose" }]);
  });

  it.each([
    ["serve", ["serve", "--listen", "127.0.0.1:0"]],
    ["run --serve", ["run", "--serve", "127.0.0.1:0"]],
  ])("has Prometheus' metrics on the same port: %s", async (_name, verb) => {
    const stop = new AbortController();
    let scraped: Promise<string> | undefined;
    const said = (text: string) => {
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
      if (url === undefined || scraped !== undefined) return;
      scraped = fetch(`${url}/metrics`).then((response) => response.text());
      void scraped.finally(() => stop.abort());
    };
    const ended = new Promise<RunOutcome>((resolve) =>
      stop.signal.addEventListener("abort", () => resolve({ outcome: "interrupted", status: status() })),
    );
    const io = { out: said, err: said };
    const { exit } = await rehouse([...verb, "-f", "FILE"], { io, engine: { run: () => ended }, signal: stop.signal });
    expect(await scraped).toContain('rehouse_migration_state{state="running",migration="move-enterprise"} 1');
    expect(exit).toBe(130);
  });

  it("refuses to be reached from elsewhere without what keeps it safe, before anything runs", async () => {
    for (const verb of [
      ["serve", "--listen"],
      ["run", "--serve"],
    ]) {
      const { exit, err, calls } = await rehouse([...verb, "0.0.0.0:0", "-f", "FILE"]);
      expect({ exit, err }).toMatchObject({ exit: 2, err: expect.stringContaining("REHOUSE_UNSAFE_LISTEN") });
      expect(calls).toEqual([{ method: "dispose" }]);
    }
  });
});
