import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PositionReader } from "../../src/envelope/index.ts";
import { asLsn, formatPosition, parsePosition } from "../../src/model/position.ts";

/** Within other bytes, as a header stands in a message. */
function read(reader: PositionReader, text: string) {
  const bytes = Buffer.from(`1${text}1`);
  return reader.read(bytes, 1, bytes.length - 1);
}

describe("the position of a message", () => {
  it("is the one in its header, from transaction to transaction", () => {
    const reader = new PositionReader();
    for (const text of ["0/1:1", "0/1:2", "1/0:1", "0/1:3", "0/1:12345678901", "abcdef/ABCDEF:1"])
      expect(read(reader, text)).toEqual(parsePosition(text));
  });

  it("is read as it was written, whatever was read before", () => {
    const reader = new PositionReader();
    const lsn = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
    fc.assert(
      fc.property(lsn, fc.integer({ min: 1, max: 999_999_999_999_999 }), (value, ordinal) => {
        const position = { lsn: asLsn(value), ordinal };
        expect(read(reader, formatPosition(position))).toEqual(position);
      }),
    );
  });

  it.each([
    "",
    "0/1",
    ":1",
    "0/1:",
    "0/1:0",
    "0/:1",
    "/1:1",
    "0:1",
    "0/123456789:1",
    "0/1:1234567890123456",
    "0/g:1",
    "0/1:1x",
    "0/1:-1",
  ])("is not guessed from %j: the change would be taken for a repeated one", (text) => {
    expect(read(new PositionReader(), text)).toBeUndefined();
    const used = new PositionReader();
    read(used, "0/1:1");
    expect(read(used, text)).toBeUndefined();
  });
});
