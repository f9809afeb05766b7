import { expect, test } from "vitest";
import { passesAs } from "../../src/compare/index.ts";

test.each([
  ["integer", "bigint"],
  ["bigint", "smallint"],
  ["integer", "numeric"],
  ["numeric(12,0)", "integer"],
  ["character varying(20)", "text"],
  ["text", "character varying(20)"],
  ["numeric(8,2)", "numeric(12,2)"],
  ["numeric(12,2)", "numeric(8,2)"],
  ["numeric(12,2)", "numeric"],
  ["timestamp(3) with time zone", "timestamp(6) with time zone"],
  ["timestamp(3) without time zone", "timestamp without time zone"],
])("a %s passes as a %s: its text stays, or is refused", (from, to) => {
  expect(passesAs(from, to)).toBe(true);
});

test.each([
  ["numeric(12,4)", "numeric(12,2)"],
  ["numeric", "numeric(12,2)"],
  ["numeric(12,2)", "numeric(12,4)"],
  ["timestamp(6) with time zone", "timestamp(3) with time zone"],
  ["timestamp with time zone", "timestamp(3) with time zone"],
  ["timestamp without time zone", "timestamp with time zone"],
  ["double precision", "real"],
  ["character(3)", "character(5)"],
  ["text", "integer"],
  ["jsonb", "json"],
])("a %s does not pass as a %s", (from, to) => {
  expect(passesAs(from, to)).toBe(false);
});
