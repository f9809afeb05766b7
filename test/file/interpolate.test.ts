// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${VAR} is the syntax of the migration file
import { describe, expect, it } from "vitest";
import { interpolate } from "../../src/file/interpolate.ts";

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
    expect(interpolate(text, env)).toEqual({ text: expected, mistakes: [] });
  });

  it.each(["${MISSING}", "${not closed", "${a b}", "${}", "${A:-${NAME}}", "${NAME:+x}"])("%s is a mistake", (text) => {
    expect(interpolate(text, env).mistakes).toHaveLength(1);
  });
});
