import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EXCERPT_BYTES, excerptText, readExcerpt } from "../../src/operations/excerpt.ts";
import { temporaryDirectory } from "../git/fixture.ts";

describe("readExcerpt", () => {
  it("is the whole of a short stream", async () => {
    const path = join(temporaryDirectory(), "out");
    writeFileSync(path, "one\ntwo\n");
    expect(await readExcerpt(path)).toEqual({ text: "one\ntwo\n", bytes: 8 });
  });

  it("is the end of a long one, without a broken character", async () => {
    const path = join(temporaryDirectory(), "out");
    for (const lead of ["", "x", "xx", "xxx"]) {
      const content = lead + "😀".repeat(5000);
      writeFileSync(path, content);
      const { text, bytes } = await readExcerpt(path);
      expect(bytes).toBe(Buffer.byteLength(content));
      expect(text).toMatch(/^(😀)+$/u);
      expect(Buffer.byteLength(text)).toBeGreaterThan(EXCERPT_BYTES - 4);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(EXCERPT_BYTES);
    }
  });

  it("is empty where nothing was written", async () => {
    expect(await readExcerpt(join(temporaryDirectory(), "none"))).toEqual({ text: "", bytes: 0 });
  });
});

describe("excerptText", () => {
  it("shows bytes that are no text, and NUL, as replacement characters", () => {
    expect(excerptText(Uint8Array.of(0xff, 0x41, 0x00, 0xc3), false)).toBe("\ufffdA\ufffd\ufffd");
  });
});
