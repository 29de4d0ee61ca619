import { appendFile, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { IndexRecord } from "../../src/logs/index-record.ts";
import { type OpenLogIndexOptions, openLogIndex } from "../../src/logs/log-index.ts";
import { temporaryDirectory } from "./support/log-fixture.ts";

async function indexPath() {
  return join(await temporaryDirectory(), "index");
}

function openIndex(path: string, options: Partial<OpenLogIndexOptions> = {}) {
  return openLogIndex({
    path,
    first: 0,
    sizes: [1e9, 1e9],
    onError: (error) => {
      throw error;
    },
    ...options,
  });
}

function record(number: number): IndexRecord {
  return { time: 1000 + number, offsets: [number * 10, number], instance: 1 };
}

async function fill(path: string, count: number) {
  const index = await openIndex(path);
  for (let number = 1; number <= count; number++) index.append(record(number));
  await index.close();
}

describe("log index", () => {
  it("gives each record back by its number, written or not, now and after it was opened again", async () => {
    const path = await indexPath();
    const index = await openIndex(path);
    for (let number = 1; number <= 1000; number++) index.append(record(number));
    const check = async (opened: typeof index) => {
      expect(opened.count).toBe(1000);
      expect(opened.last()).toEqual(record(1000));
      for (const number of [1, 127, 128, 129, 500, 999, 1000]) {
        expect((await opened.from(number - 1))[0]).toEqual(record(number));
      }
    };
    await check(index);
    await index.flush();
    await check(index);
    await index.close();
    const again = await openIndex(path);
    await check(again);
    await again.close();
  });

  it("finds the first record of which something holds", async () => {
    const path = await indexPath();
    await fill(path, 777);
    const index = await openIndex(path);
    for (const wanted of [1, 2, 128, 129, 640, 777]) {
      expect(await index.search(({ offsets }) => offsets[1] >= wanted)).toBe(wanted - 1);
    }
    expect(await index.search(() => false)).toBe(777);
    await index.close();
  });

  it("is cut to whole records when it is opened", async () => {
    const path = await indexPath();
    await fill(path, 200);
    await truncate(path, 199 * 32 + 17);
    const index = await openIndex(path);
    expect(index.count).toBe(199);
    expect(index.outputsShrank).toBe(false);
    index.append(record(300));
    await index.close();
    expect((await stat(path)).size).toBe(200 * 32);
  });

  it("is cut where a torn write or a power loss left no record", async () => {
    const path = await indexPath();
    await fill(path, 3);
    await appendFile(path, Buffer.alloc(64));
    const index = await openIndex(path);
    expect(index.count).toBe(3);
    index.append(record(4));
    await index.close();
    const again = await openIndex(path);
    expect(again.last()).toEqual(record(4));
    await again.close();
  });

  it("is cut to records within the outputs, and says that these have shrunk", async () => {
    const path = await indexPath();
    await fill(path, 300);
    const index = await openIndex(path, { sizes: [1500, 1e9] });
    expect([index.count, index.outputsShrank]).toEqual([150, true]);
    expect(index.last()).toEqual(record(150));
    await index.close();
  });

  it("keeps serving what the disk does not take, in bounded memory", async () => {
    const errors: unknown[] = [];
    const index = await openIndex("/dev/full", { onError: (error) => errors.push(error) });
    for (let number = 1; number <= 20_000; number++) {
      index.append(record(number));
      if (number % 1000 === 0) await index.flush();
    }
    expect(errors.length).toBeGreaterThan(0);
    expect(index.last()).toEqual(record(20_000));
    expect(index.count).toBeLessThan(10_000);
    await index.close();
  });
});
