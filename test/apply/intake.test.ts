import { describe, expect, it } from "vitest";
import { PositionReader, type TopicMessage } from "../../src/apply/intake.ts";
import { parsePosition } from "../../src/model/position.ts";

const at = (position: string | undefined): TopicMessage => ({
  offset: "0",
  value: Buffer.alloc(0),
  headers: position === undefined ? {} : { position: Buffer.from(position) },
});

describe("the position of a message", () => {
  it("is the one in its header, from transaction to transaction", () => {
    const reader = new PositionReader();
    for (const text of ["0/1:1", "0/1:2", "1/0:1", "0/1:3", "0/1:12345678901"])
      expect(reader.read(at(text))).toEqual(parsePosition(text));
  });

  it.each([undefined, "", "0/1", ":1", "0/1:"])(
    "is not guessed from %j: the change would be taken for a repeated one",
    (text) => {
      expect(() => new PositionReader().read(at(text))).toThrow(RangeError);
      const used = new PositionReader();
      used.read(at("0/1:1"));
      expect(() => used.read(at(text))).toThrow(RangeError);
    },
  );
});
