import { describe, expect, it } from "vitest";
import { decodeCursor, encodeCursor } from "../../src/events/cursor.ts";

describe("a cursor", () => {
  it("stands for its revision, or for a snapshot that did not end", () => {
    expect(decodeCursor("g", encodeCursor("g", 42))).toBe(42);
    expect(decodeCursor("g", encodeCursor("g", 0))).toBe(0);
    expect(decodeCursor("g", encodeCursor("g", undefined))).toBeUndefined();
  });

  it.each([
    ["another store's", encodeCursor("other", 1)],
    ["garbage", "%%%"],
    ["empty", ""],
    ["negative", Buffer.from("-1.g").toString("base64url")],
    ["too large", Buffer.from("99999999999999999999.g").toString("base64url")],
    ["a fraction", Buffer.from("1.5.g").toString("base64url")],
  ])("is expired when it is %s", (_, cursor) => {
    expect(() => decodeCursor("g", cursor)).toThrow(
      expect.objectContaining({ reason: "CURSOR_EXPIRED" }),
    );
  });
});
