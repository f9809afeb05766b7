import { describe, expect, it } from "vitest";
import { parseHistory } from "../../connectors/postgres/timelines.ts";
import { requireSameHistory } from "../../src/capture/rewound.ts";
import { parseLsn } from "../../src/model/position.ts";

/** As Postgres writes it when a standby takes over twice. */
const FILE = "1\t0/5000148\tno recovery target specified\n\n2\t0/7000000\tno recovery target specified\n";
const history = { timeline: 3, ended: parseHistory(FILE) };
const captured = (lsn: string, known: number) => () => requireSameHistory(known, history, parseLsn(lsn), "source");

describe("a source that goes on in another timeline", () => {
  it("has all that was captured before the one it was captured in ended", () => {
    expect(captured("0/5000147", 1)).not.toThrow();
    expect(captured("0/6FFFFFF", 2)).not.toThrow();
  });

  it("lacks what was captured beyond that, wherever it stands itself by now", () => {
    expect(captured("0/5000148", 1)).toThrow(/left timeline 1 at 0\/5000148, but changes up to 0\/5000148/);
    expect(captured("0/6000000", 1)).toThrow(expect.objectContaining({ code: "REHOUSE_SOURCE_REWOUND" }));
  });

  it("is a stranger where it never was in the one that was captured", () => {
    expect(captured("0/1", 4)).toThrow(/does not come from timeline 4/);
  });
});

it("a source on the timeline that is known needs no history", () => {
  expect(() => requireSameHistory(1, { timeline: 1, ended: new Map() }, parseLsn("FF/0"), "source")).not.toThrow();
});
