import { expect, it } from "vitest";
import { rehouse } from "./support.ts";

it("check --grants prints SQL whose comments hide nothing, the revocations among them, for both sides or one", async () => {
  const both = await rehouse(["check", "--grants", "-f", "FILE"]);
  expect(both.exit).toBe(0);
  expect(both.out.split("\n").filter((line) => line !== "" && !line.startsWith("--"))).toEqual([
    'ALTER ROLE "mover" REPLICATION;',
    'ALTER ROLE "mover" REPLICATION;',
  ]);
  expect(both.out).toContain('-- ALTER ROLE "mover" NOREPLICATION;');
  const { out } = await rehouse(["check", "--grants", "target", "-f", "FILE"]);
  expect(out).toContain("new:5432/app");
  expect(out).not.toContain("old:5432/app");
});

it("check --grants takes the names of the roles, and prints JSON", async () => {
  const { out, calls } = await rehouse(["check", "--grants", "--source-role", "a", "--target-role", "b", "-f", "FILE", "--json"]);
  expect(calls[0]).toEqual({ method: "grants", options: { source: "a", target: "b" } });
  expect(JSON.parse(out)).toMatchObject({
    formatVersion: 1,
    source: { role: "mover" },
    target: { grants: [{ why: expect.any(String) }] },
  });
});

it.each([[["--grants", "both"]], [["--source-role", "a"]]])("check %j is a mistake", async (args) => {
  expect((await rehouse(["check", ...args, "-f", "FILE"])).exit).toBe(2);
});
