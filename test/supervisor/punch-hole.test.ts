import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { canPunchHoles, punchHole } from "../../src/supervisor/punch-hole.ts";

const MIB = 1024 * 1024;

describe.runIf(process.platform === "linux")("holes in logs", () => {
  it("are found to be possible where they are, and then give space back at an unchanged size", async () => {
    const directory = mkdtempSync(join(tmpdir(), "wsrt-holes-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    expect(await canPunchHoles(directory)).toBe(true);
    expect(readdirSync(directory)).toEqual([]);

    const path = join(directory, "stdout.log");
    writeFileSync(path, Buffer.alloc(4 * MIB, "x"));
    const before = statSync(path);
    await punchHole(path, 0, 3 * MIB);
    const after = statSync(path);
    expect(after.size).toBe(before.size);
    expect(before.blocks - after.blocks).toBeGreaterThanOrEqual((2 * MIB) / 512);
    expect(
      readFileSync(path)
        .subarray(3 * MIB)
        .every((byte) => byte === 0x78),
    ).toBe(true);
  });

  it("are found to be impossible in a directory that is not there", async () => {
    expect(await canPunchHoles("/no/such/directory")).toBe(false);
  });
});
