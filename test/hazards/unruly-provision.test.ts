import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { isAlive } from "../support/workspace.ts";
import { issue, startWithRepository, worktree } from "../workspaces/fixture.ts";

/** The cap of one stream, and what may be above it before its head is cut. */
const MOST_ON_DISK = 40 * 1024 * 1024;
const PRINTED = Number(process.env.TEST_FULL === "1" ? 1_000_000_000 : 100_000_000);

describe("hazard 35: a provision command", () => {
  it.each(["read answer", "cat", "git -c core.editor=vi commit --amend; read answer </dev/tty"])(
    "that waits for input (%s) gets none",
    async (provisionCommand) => {
      const { realize, repo } = await startWithRepository();
      const request = { ...worktree(repo, { provisionCommand }), issue: issue(1) };
      const start = performance.now();
      await realize(request).catch((error) => {
        expect(error).toMatchObject({ reason: "COMMAND_FAILED" });
      });
      expect(performance.now() - start).toBeLessThan(20_000);
    },
  );

  it("that prints much is bounded in memory and on disk", { timeout: 120_000 }, async () => {
    const { realize, repo, directory: operations } = await startOperationsDirectory();
    const provisionCommand = `yes 0123456789 | head -c ${PRINTED}; echo the end`;
    const before = process.memoryUsage().rss;
    const { operations: done } = await realize({
      ...worktree(repo, { provisionCommand }),
      issue: issue(1),
    });
    const operation = done.at(-1);
    expect(operation).toMatchObject({ status: "SUCCEEDED", stdoutBytes: PRINTED + 8 });
    expect(operation?.stdoutExcerpt).toMatch(/the end\n$/);
    expect(operation?.stdoutExcerpt.length).toBeLessThanOrEqual(4096);
    const log = join(operations, operation?.operationId ?? "", "stdout.log");
    await eventually(() => statSync(log).blocks * 512 < MOST_ON_DISK);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
  });

  it("that goes into the background leaves nothing running, and holds nothing up", async () => {
    const { realize, repo, directory } = await startWithRepository();
    const pids = join(directory, "pids");
    const provisionCommand = `
      sleep 1000 & echo $! >>'${pids}'
      nohup sleep 1000 >/dev/null 2>&1 & echo $! >>'${pids}'
      setsid sh -c 'echo $$ >>"${pids}"; exec sleep 1000' &
      while [ "$(wc -l <'${pids}')" -lt 3 ]; do sleep 0.01; done`;
    const { workspace } = await realize({
      ...worktree(repo, { provisionCommand }),
      issue: issue(1),
    });
    expect(workspace.state).toBe("ACTIVE");
    const left = readFileSync(pids, "utf8").trim().split("\n").map(Number);
    expect(left).toHaveLength(3);
    expect(left.filter(isAlive)).toEqual([]);
  });

  it("that runs for ever, deaf to signals, is ended in time with all that it started", async () => {
    const { realize, repo, directory, workspaces } = await startWithRepository();
    const pids = join(directory, "pids");
    const provisionCommand = `
      trap '' TERM INT HUP
      (trap '' TERM; while :; do sleep 1000; done) & echo $! $$ >'${pids}'
      while :; do sleep 1000; done`;
    const request = {
      ...worktree(repo, { provisionCommand, provisionTimeoutMs: 500 }),
      issue: issue(1),
    };
    const error = await realize(request).catch((e) => e);
    expect(error).toMatchObject({ reason: "COMMAND_TIMED_OUT" });
    const left = readFileSync(pids, "utf8").trim().split(" ").map(Number);
    expect(left.filter(isAlive)).toEqual([]);
    expect(await workspaces.get(error.metadata.workspace_id)).toMatchObject({
      state: "FAILED",
      provisionPending: true,
    });
    const again = await realize({
      ...worktree(repo, { provisionCommand: "true" }),
      issue: issue(1),
    });
    expect(again.workspace.state).toBe("ACTIVE");
  });
});

/** Where the operations' logs are, beside the repository. */
async function startOperationsDirectory() {
  const runtime = await startWithRepository();
  const directory = join(runtime.dataDir, "operations");
  expect(existsSync(runtime.dataDir)).toBe(true);
  return { ...runtime, directory };
}
