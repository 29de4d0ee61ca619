import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8Boundary } from "../../src/logs/utf8-boundary.ts";

describe("utf8Boundary", () => {
  it("never cuts a character of valid text, and gives up at most three bytes for it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1 }), fc.nat(), (text, at) => {
        const bytes = Buffer.from(text);
        const end = at % (bytes.length + 1);
        const boundary = utf8Boundary(bytes, 0, end);
        expect(end - boundary).toBeLessThanOrEqual(3);
        const [head, tail] = [bytes.subarray(0, boundary), bytes.subarray(boundary)];
        expect(head.toString() + tail.toString()).toBe(bytes.toString());
      }),
    );
  });

  it("cuts invalid text where it is asked to", () => {
    for (const bytes of [
      [0x80, 0x80, 0x80, 0x80],
      [0xff],
      [0xc0],
      [0x41, 0xf8],
      [0xe2, 0x82, 0xac, 0x80],
    ]) {
      expect(utf8Boundary(Buffer.from(bytes), 0, bytes.length)).toBe(bytes.length);
    }
  });

  it("leaves out the beginning of a character", () => {
    expect(utf8Boundary(Buffer.from([0x41, 0xe2, 0x82]), 0, 3)).toBe(1);
    expect(utf8Boundary(Buffer.from([0xf0, 0x9f, 0x98]), 0, 3)).toBe(0);
  });
});
