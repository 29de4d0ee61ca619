import { describe, expect, it } from "vitest";
import { decodeCursor, encodeCursor } from "../../src/logs/log-position.ts";

describe("cursor", () => {
  it("holds the generation, both offsets and what was told of losses, over any size", () => {
    const position = {
      generation: "a-_9",
      offsets: [Number.MAX_SAFE_INTEGER, 0],
      told: [7, 2 ** 40],
    } as const;
    expect(decodeCursor(encodeCursor(position))).toEqual(position);
    expect(encodeCursor(position)).toMatch(/^[\w-]+$/);
  });

  it.each([
    "",
    "x",
    "AAAA",
    "1 g 1 2",
    encode("2 g 0 0 0 0"),
    encode("1 g 0 -1 0 0"),
    encode("1 g 0 0 0 0 0"),
    encode("1  0 0 0 0"),
    encode("1 g 1e3 0 0 0"),
  ])("is refused as a field when it is %j", (cursor) => {
    expect(() => decodeCursor(cursor)).toThrow(
      expect.objectContaining({ reason: "INVALID_FIELD" }),
    );
  });
});

function encode(text: string): string {
  return Buffer.from(text).toString("base64url");
}
