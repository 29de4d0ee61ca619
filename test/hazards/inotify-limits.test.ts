import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { WatchDirectory } from "../../src/logs/growth-watcher.ts";
import {
  append,
  bytesOf,
  openLog,
  openLogs,
  pull,
  startFollowing,
  temporaryDirectory,
  write,
} from "../logs/support/log-fixture.ts";

function refuse(code: string): WatchDirectory {
  return () => {
    throw Object.assign(new Error(`${code}: no more watches`), { code });
  };
}

const silent: WatchDirectory = () => ({ close: () => undefined });

describe("watches that the kernel refuses or loses", () => {
  it.each([
    ["ENOSPC: no watch is left", refuse("ENOSPC"), 250],
    ["EMFILE: no instance is left", refuse("EMFILE"), 250],
    ["events that never come", silent, 1000],
  ])("delay the log and lose nothing of it: %s", async (_name, watchDirectory, delayMs) => {
    const { directory, logs, log } = await openLog({ watchDirectory });
    await log.record(1);
    const { batches } = await startFollowing(logs, directory);
    for (let i = 0; i < 3; i++) {
      // Long enough for growth to have paused: the next line must be found by time alone.
      await new Promise((resolve) => setTimeout(resolve, 100));
      const begun = performance.now();
      await append(directory, "STDOUT", `line ${i}\n`);
      const told = await pull(batches, (all) => all.length === 1);
      expect(bytesOf(told, "STDOUT").toString()).toBe(`line ${i}\n`);
      expect(performance.now() - begun).toBeLessThan(delayMs + 3000);
    }
    const told = pull(batches, (all) => bytesOf(all, "STDOUT").toString().endsWith("200000\n"));
    await write(directory, "STDOUT", "seq 100001 200000");
    expect(bytesOf(await told, "STDOUT").length).toBe(700_000);
  });

  it("lose nothing when the kernel's queue of events overflows", async () => {
    const logs = openLogs();
    const directories: string[] = [];
    for (let i = 0; i < 300; i++) {
      const directory = await temporaryDirectory();
      directories.push(directory);
      await (await logs.open(directory)).record(1);
    }
    const readers = await Promise.all(directories.map((each) => startFollowing(logs, each)));
    // Blocks this process while 30,000 events arrive; the kernel keeps 16,384.
    const grow = `for (let n = 0; n < 100; n++) for (const directory of process.argv.slice(1))
      require("fs").appendFileSync(directory + "/stdout.log", "line " + n + "\\n");`;
    spawnSync(process.execPath, ["-e", grow, ...directories]);
    const { size } = statSync(join(directories[0] as string, "stdout.log"));
    await Promise.all(
      readers.map(async ({ batches }) => {
        const told = await pull(batches, (all) => bytesOf(all, "STDOUT").length >= size);
        expect(bytesOf(told, "STDOUT").toString().endsWith("line 99\n")).toBe(true);
      }),
    );
  });
});
