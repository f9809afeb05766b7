import { describe, expect, it } from "vitest";
import { failureOf, provesNoCommit } from "../../src/router/failures.ts";

const error = (code: string, more: object = {}) => Object.assign(new Error("as the server says"), { code, ...more });
const detail = JSON.stringify({ migration: "m", tenant: "42", home: "target", generation: 7 });

describe("what an error of a transaction means", () => {
  it.for<[string, unknown, unknown]>([
    ["a fence that is closed", error("RH010"), { kind: "being-switched" }],
    ["a tenant that has moved", error("RH011", { detail }), { kind: "moved", to: { tenant: "42", home: "target" } }],
    ["the same from a driver without details", error("RH011"), { kind: "moved", to: undefined }],
    ["a detail that is not ours", error("RH011", { detail: '{"home":"moon"}' }), { kind: "moved", to: undefined }],
    ["a serialization failure", error("40001"), { kind: "conflict" }],
    ["a deadlock", error("40P01"), { kind: "conflict" }],
    ["a server that shuts down", error("57P01"), { kind: "lost" }],
    ["a broken pipe, whose code has the shape of an SQLSTATE", error("EPIPE"), { kind: "lost" }],
    ["a socket that was reset", error("ECONNRESET"), { kind: "lost" }],
    ["what pg says without a code", new Error("Connection terminated unexpectedly"), { kind: "lost" }],
    ["a unique violation", error("23505"), { kind: "final" }],
    ["a query that was cancelled", error("57014"), { kind: "final" }],
    ["an error of the application", new Error("no such order"), { kind: "final" }],
    [
      "one that was wrapped",
      new Error("cannot save", { cause: new Error("orm", { cause: error("RH010") }) }),
      { kind: "being-switched" },
    ],
    ["what is no error at all", "no", { kind: "final" }],
  ])("%s", ([, given, meaning]) => {
    expect(failureOf(given)).toEqual(meaning);
  });

  it("ends with causes that lead in a circle", () => {
    const circle = new Error("around");
    circle.cause = circle;
    expect(failureOf(circle)).toEqual({ kind: "final" });
  });
});

describe("an error that answers a COMMIT", () => {
  it.for(["40001", "23503", "23505", "P0001", "RH010", "57014"])("proves with %s that nothing was committed", (code) => {
    expect(provesNoCommit(error(code))).toBe(true);
  });

  it.for(["57P01", "57P02", "58000", "XX000", "08006", "08007", "40003", "ECONNRESET", "EPIPE"])(
    "proves nothing with %s",
    (code) => {
      expect(provesNoCommit(error(code))).toBe(false);
    },
  );

  it("proves nothing without a code", () => {
    expect(provesNoCommit(new Error("Connection terminated unexpectedly"))).toBe(false);
  });
});
