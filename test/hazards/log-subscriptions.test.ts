import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  append,
  openLogs,
  startFollowing,
  temporaryDirectory,
} from "../logs/support/log-fixture.ts";
import { startGroups, workspace } from "../runs/fixture.ts";
import { eventually } from "../support/eventually.ts";

const NOTHING = { open: 0, watchers: 0, readers: 0 };

/** Node takes one inotify instance for all watches of a process, and keeps it. */
const INOTIFY = 1;

function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}

describe("subscriptions to logs", () => {
  it.each([
    ["never asked for anything", async () => undefined],
    [
      "is suspended with a batch that nobody takes",
      async (batches: AsyncGenerator) => void (await batches.next()),
    ],
    [
      "waits for what is not written",
      async (batches: AsyncGenerator) => {
        await batches.next();
        void batches.next();
        await new Promise((resolve) => setTimeout(resolve, 30));
      },
    ],
    ["is in the middle of a read", async (batches: AsyncGenerator) => void batches.next()],
  ])("are released on the signal when the reader %s", async (_name, getThere) => {
    const before = openFiles();
    const logs = openLogs();
    const directory = await temporaryDirectory();
    await append(directory, "STDOUT", "a line\n");
    for (let i = 0; i < 20; i++) {
      const { batches, abort } = await startFollowing(logs, directory);
      await getThere(batches);
      expect(logs.counts()).toMatchObject({ open: 1, readers: 1 });
      abort();
      abort();
      expect(logs.counts()).toEqual(NOTHING);
      expect(await batches.next().catch((error) => ({ error }))).toMatchObject({ done: true });
    }
    await eventually(() => openFiles() <= before + INOTIFY);
  });

  it("are released when the reader returns, throws or has reached the end", async () => {
    const logs = openLogs();
    const directory = await temporaryDirectory();
    await append(directory, "STDOUT", "a line\n");
    const early = await startFollowing(logs, directory);
    await early.batches.return();
    for await (const _ of (await startFollowing(logs, directory)).batches) break;
    for await (const _ of (await startFollowing(logs, directory, { follow: false })).batches);
    const broken = (await startFollowing(logs, directory)).batches;
    await broken.next();
    await broken.throw(new Error("the client is gone")).catch(() => undefined);
    expect(logs.counts()).toEqual(NOTHING);
  });

  it("are released when the signal was there first, or the start is not possible", async () => {
    const logs = openLogs();
    const directory = await temporaryDirectory();
    const gone = await startFollowing(logs, directory, { signal: AbortSignal.abort() });
    expect(await gone.batches.next()).toMatchObject({ done: true });
    const cursor = Buffer.from("1 other 0 0 0 0").toString("base64url");
    const expired = await startFollowing(logs, directory, { start: { kind: "cursor", cursor } });
    await expect(expired.batches.next()).rejects.toMatchObject({ reason: "CURSOR_EXPIRED" });
    expect(logs.counts()).toEqual(NOTHING);
  });

  it("leave no file and no watch after a thousand logs were followed and recorded", async () => {
    const before = openFiles();
    const logs = openLogs();
    for (let round = 0; round < 50; round++) {
      const opened = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const directory = await temporaryDirectory();
          const log = await logs.open(directory);
          const recording = await log.record(1);
          const { batches, abort } = await startFollowing(logs, directory);
          void batches.next();
          return { log, recording, abort };
        }),
      );
      expect(logs.counts()).toEqual({ open: 20, watchers: 20, readers: 20 });
      for (const { log, recording, abort } of opened) {
        abort();
        log.release();
        await recording.stop();
      }
    }
    expect(logs.counts()).toEqual(NOTHING);
    await eventually(() => openFiles() <= before + INOTIFY);
  });
});

describe("subscriptions to the logs of a run or a workspace", () => {
  it.each([
    ["never asked for anything", async () => undefined],
    [
      "is suspended with a batch that nobody takes",
      async (batches: AsyncGenerator) => {
        await batches.next();
        await batches.next();
      },
    ],
    [
      "waits for what is not written",
      async (batches: AsyncGenerator) => {
        await batches.next();
        await batches.next();
        void batches.next();
        await new Promise((resolve) => setTimeout(resolve, 30));
      },
    ],
    ["is asking who belongs to it", async (batches: AsyncGenerator) => void batches.next()],
    [
      "is opening the logs",
      async (batches: AsyncGenerator) => {
        await batches.next();
        void batches.next();
      },
    ],
  ])("are released on the signal when the reader %s", async (_name, getThere) => {
    const world = await startGroups();
    await world.workspace();
    for (let i = 0; i < 10; i++) await world.operation({}, "a line\n");
    const before = openFiles();
    for (let i = 0; i < 10; i++) {
      const { batches, abort } = world.follow(workspace);
      await getThere(batches);
      abort();
      abort();
      expect(await batches.next().catch((error) => ({ error }))).toMatchObject({ done: true });
      await eventually(() => world.logs.counts().open === 0);
      expect(world.logs.counts()).toEqual(NOTHING);
      expect(world.hub.watchers).toBe(0);
    }
    await eventually(() => openFiles() <= before + INOTIFY);
  });
});
