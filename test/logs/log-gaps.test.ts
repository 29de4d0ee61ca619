import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLogGaps, parseGaps, readLost } from "../../src/logs/log-gaps.ts";
import { temporaryDirectory } from "./support/log-fixture.ts";

describe("parseGaps", () => {
  it("reads each entry", () => {
    expect(parseGaps("\n0 5\n\n10 20\n")).toEqual([
      { offset: 0, bytes: 5 },
      { offset: 10, bytes: 20 },
    ]);
  });

  it("does not count an entry that the full disk tore, whichever byte it stopped at", () => {
    const entry = "\n1234 5678\n";
    for (let length = 0; length < entry.length - 1; length++) {
      expect(parseGaps(entry.slice(0, length) + entry)).toEqual([{ offset: 1234, bytes: 5678 }]);
    }
  });

  it("does not count an entry that is being written", () => {
    expect(parseGaps("\n1 2\n\n3 4")).toEqual([{ offset: 1, bytes: 2 }]);
  });
});

describe("log gaps", () => {
  it("adds up what was lost at one offset and finds the next one", async () => {
    const path = join(await temporaryDirectory(), "stdout.log.gaps");
    const gaps = createLogGaps(path);
    expect(gaps.refresh()).toBe(false);
    await appendFile(path, "\n10 1\n\n10 2\n\n30 4\n");
    expect(gaps.refresh()).toBe(true);
    expect([gaps.lostAt(10), gaps.lostAt(11), gaps.lostAt(30)]).toEqual([3, 0, 4]);
    expect([gaps.nextAfter(0), gaps.nextAfter(10), gaps.nextAfter(30)]).toEqual([10, 30, Infinity]);
  });

  it("notes what an instance lost at its end once, even when told again after a crash", async () => {
    const path = join(await temporaryDirectory(), "stdout.log.gaps");
    await createLogGaps(path).add({ offset: 5, bytes: 9, instance: 1 });
    const gaps = createLogGaps(path);
    await gaps.add({ offset: 5, bytes: 9, instance: 1 });
    await gaps.add({ offset: 5, bytes: 1, instance: 2 });
    expect(gaps.lostAt(5)).toBe(10);
  });
});

describe("readLost", () => {
  it("is 0 for a blank record and for none", async () => {
    const path = join(await temporaryDirectory(), "stdout.lost");
    expect(await readLost(path)).toBe(0);
    await writeFile(path, `${"".padEnd(31)}\n`);
    expect(await readLost(path)).toBe(0);
    await writeFile(path, `${"49120000".padEnd(31)}\n`);
    expect(await readLost(path)).toBe(49_120_000);
  });
});
