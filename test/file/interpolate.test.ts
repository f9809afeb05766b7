// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${VAR} is the syntax of the migration file
import { describe, expect, it } from "vitest";
import { interpolate } from "../../src/file/interpolate.ts";
import { inDirectory } from "./support.ts";

const env = { NAME: "value", EMPTY: "", DOLLAR: "$& $1 ${NAME}" };

describe("interpolation", () => {
  it.each([
    ["${NAME}", "value"],
    ["a-${NAME}-${NAME}", "a-value-value"],
    ["${EMPTY}", ""],
    ["${EMPTY:-other}", "other"],
    ["${MISSING:-}", ""],
    ["${MISSING:-postgres://h:5432/db?a=b-c}", "postgres://h:5432/db?a=b-c"],
    ["$${NAME}", "${NAME}"],
    ["$$${NAME}", "$${NAME}"],
    ["$NAME $1 $$ {NAME}", "$NAME $1 $$ {NAME}"],
    ["${DOLLAR}", "$& $1 ${NAME}"],
  ])("%s gives %s", (text, expected) => {
    expect(interpolate(text, env, ".")).toEqual({ text: expected, mistakes: [] });
  });

  it.each(["${MISSING}", "${not closed", "${a b}", "${}", "${A:-${NAME}}", "${NAME:+x}"])("%s is a mistake", (text) => {
    expect(interpolate(text, env, ".").mistakes).toHaveLength(1);
  });

  it("takes what a file holds, beside the migration file or from the root, without its last line's end", async () => {
    await inDirectory({ secret: "a: '$&' \"${NAME}\"\n", empty: "\n" }, async (directory) => {
      const text = "x-${file:secret}-${file:./secret}";
      expect(interpolate(text, env, directory)).toEqual({ text: `x-a: '$&' "\${NAME}"-a: '$&' "\${NAME}"`, mistakes: [] });
      expect(interpolate(`\${file:${directory}/secret}`, env, "/").mistakes).toEqual([]);
      const problems = ["empty", "missing", "."].map(
        (path) => interpolate(`\${file:${path}}`, env, directory).mistakes[0]?.found,
      );
      expect(problems).toEqual([
        "${file:empty}, which is empty",
        "${file:missing}, which cannot be read",
        "${file:.}, which is not a file",
      ]);
    });
  });
});
