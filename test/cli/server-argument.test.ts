// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${VAR} is the syntax of the migration file
import { expect, it } from "vitest";
import { rehouse } from "./support.ts";

const on = (url: string) =>
  rehouse(["rehearse", "--on", url, "-f", "FILE", "--json"], { io: { env: { COPY_URL: "postgres://a:b@copy/x" } } });

it("a server is named by an argument, its password by a variable", async () => {
  expect((await on("postgres://copy/x")).calls[0]).toMatchObject({ method: "rehearse", options: { on: "postgres://copy/x" } });
  expect((await on("${COPY_URL}")).calls[0]).toMatchObject({ method: "rehearse", options: { on: "postgres://a:b@copy/x" } });
});

it.each(["postgres://a:secret@copy/x", "${NONE}", "https://copy"])(
  "%s is refused, and not repeated with its password",
  async (url) => {
    const { exit, out, calls } = await on(url);
    expect([exit, JSON.parse(out).error.code, calls.some(({ method }) => method === "rehearse")]).toEqual([
      2,
      "REHOUSE_USAGE",
      false,
    ]);
    expect(out).not.toContain("secret@");
  },
);
