import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  bytesOf,
  openLog,
  pull,
  startFollowing,
  temporaryDirectory,
  write,
} from "../logs/support/log-fixture.ts";

describe("the end of a log", () => {
  it("comes after its last byte, with the exit, once", async () => {
    for (let run = 1; run <= 30; run++) {
      const { directory, logs, log } = await openLog();
      const recording = await log.record(1);
      let exit: { code: number } | undefined;
      const { batches } = await startFollowing(logs, directory, { ended: () => exit });
      const told = pull(batches);
      await write(directory, "STDOUT", `seq 1 ${run * 100}; printf 'last words'`);
      await recording.stop();
      exit = { code: run };
      log.wake();
      const all = await told;
      expect(
        bytesOf(all, "STDOUT")
          .toString()
          .endsWith(`\n${run * 100}\nlast words`),
      ).toBe(true);
      expect(all.filter(({ end }) => end)).toMatchObject([{ end: { code: run }, chunks: [] }]);
      expect(all.at(-1)?.end).toBeDefined();
    }
  });

  it.each([true, false])("is told of a log that ended long ago (follow: %s)", async (follow) => {
    const { directory, logs } = await openLog();
    await write(directory, "STDERR", "echo boom");
    const { batches } = await startFollowing(logs, directory, {
      follow,
      ended: () => ({ code: 3 }),
    });
    const all = await pull(batches);
    expect(bytesOf(all, "STDERR").toString()).toBe("boom\n");
    expect(all.at(-1)?.end).toEqual({ code: 3 });
  });

  it("comes after the loss at a full disk", async () => {
    const { directory, logs, log } = await openLog();
    const instanceDirectory = await temporaryDirectory();
    const recording = await log.record(1, { instanceDirectory });
    let ended: true | undefined;
    const { batches } = await startFollowing(logs, directory, { ended: () => ended });
    const told = pull(batches);
    await write(directory, "STDOUT", "echo before the disk was full");
    await writeFile(join(instanceDirectory, "stdout.lost"), `${"777".padEnd(31)}\n`);
    await recording.stop();
    ended = true;
    log.wake();
    const all = await told;
    expect(all.at(-2)?.gap).toEqual({ stream: "STDOUT", bytes: 777, reason: "LOST" });
    expect(all.at(-1)?.end).toBe(true);
  });

  it("does not come while the service will be started again", async () => {
    const { directory, logs, log } = await openLog();
    const { batches } = await startFollowing(logs, directory, { heartbeatMs: 20 });
    await (await log.record(1)).stop();
    const beats = await pull(batches, (all) => all.length === 3);
    expect(beats.every(({ heartbeat, end }) => heartbeat && !end)).toBe(true);
  });
});
