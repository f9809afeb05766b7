import { describe, expect, it } from "vitest";
import { RehouseError } from "../../src/errors.ts";
import { rehouse } from "../cli/support.ts";

const FILE = `
migration: secrets
source: "postgres://mover:s%23urce-pass@db/app"
target: { url: "postgres://mover@db/home?password=t%40rget-pass" }
kafka: { brokers: ["k:9092"], sasl: { mechanism: plain, username: mover, password: "kafka pass" } }
registry: { url: "http://r:8081", auth: { token: registry-token } }
tenants: { column: tenant_id, move: all }
route: { webhook: { url: "https://u:hook-pass@app/r", secret: "signs-what-is-posted" } }
tables: { users: {} }
`;
const SECRETS = [
  "s#urce-pass",
  "s%23urce-pass",
  "t@rget-pass",
  "kafka pass",
  "registry-token",
  "hook-pass",
  "signs-what-is-posted",
];

describe("a secret of the migration file", () => {
  // As drivers do it: in the middle of a sentence, where nothing says that it is one.
  const leak = () =>
    Promise.reject(
      new RehouseError("REHOUSE_SERVER", {
        what: `the server said: no entry for ${SECRETS.join(" and ")}`,
        where: SECRETS.join("/"),
        fix: `try ${SECRETS[0]}`,
        cause: new Error("outer", { cause: new Error(`inner ${SECRETS.join()}`) }),
      }),
    );

  it.each([["for people"], ["--json"]])("is in no error that a command prints: %s", async (form) => {
    const args = ["status", "-f", "FILE", ...(form === "--json" ? [form] : [])];
    const { exit, out, err } = await rehouse(args, { file: FILE, engine: { status: leak }, io: { env: { REHOUSE_DEBUG: "1" } } });
    expect(exit).toBe(3);
    expect(out + err).toContain("the server said: no entry for ***");
    for (const secret of SECRETS) expect(out + err).not.toContain(secret);
  });

  it("that is also the user's name, or a part of the address, does not mask every second word", async () => {
    const file = FILE.replace("mover:s%23urce-pass@db/app", "mover:mover@db/app");
    const refuse = () =>
      Promise.reject(new RehouseError("REHOUSE_SERVER", { what: 'role "mover" may not log in at mover:mover@db' }));
    const { err } = await rehouse(["status", "-f", "FILE"], { file, engine: { status: refuse } });
    expect(err).toContain('role "mover" may not log in at mover:***@db');
  });
});
