import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createFailpoints } from "../../src/failpoints.ts";
import { temporaryDirectory } from "../git/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { commandRequest, startOperations } from "./fixture.ts";

describe("run", () => {
  it("keeps the outcome, the output's end and its size", async () => {
    const { operations, directory } = await startOperations();
    const cwd = temporaryDirectory();
    const { operation, timedOut } = await operations.run(
      commandRequest("echo out; echo err >&2; pwd", cwd, { metadata: { a: 1 } }),
    );
    expect(timedOut).toBe(false);
    expect(operation).toMatchObject({
      status: "SUCCEEDED",
      exitCode: 0,
      message: "Done",
      stdoutExcerpt: `out\n${cwd}\n`,
      stdoutBytes: 5 + cwd.length,
      stderrExcerpt: "err\n",
      stderrBytes: 4,
      metadata: { a: 1 },
      nodeId: "node-1",
    });
    expect(operation.endTime).toBeGreaterThanOrEqual(operation.startTime);
    expect(await operations.get(operation.operationId)).toEqual(operation);
    const log = join(directory, operation.operationId, "stdout.log");
    expect(readFileSync(log, "utf8")).toBe(`out\n${cwd}\n`);
    expect(statSync(log).mode & 0o777).toBe(0o600);
  });

  it("is running as soon as its row stands, so that no reader takes its output to be complete", async () => {
    const failpoints = createFailpoints("operation.row-written=delay(300)");
    const { operations, store, directory } = await startOperations(failpoints);
    const running = operations.run(commandRequest("echo out", temporaryDirectory()));
    const [row] = await eventually(async () => {
      const rows = await store.operations.listRunning("node-1");
      return rows.length > 0 && rows;
    });
    const operationId = row?.operationId ?? "";
    expect(existsSync(join(directory, operationId))).toBe(false);
    expect(operations.isRunning(operationId)).toBe(true);
    await running;
    expect(operations.isRunning(operationId)).toBe(false);
  });

  it("is a row before the command runs", async () => {
    const { operations, store } = await startOperations();
    const cwd = temporaryDirectory();
    const running = operations.run(
      commandRequest("touch began; while ! [ -e go ]; do sleep 0.01; done", cwd),
    );
    await eventually(() => existsSync(join(cwd, "began")));
    const [row] = await store.operations.listRunning("node-1");
    expect(row).toMatchObject({ status: "RUNNING", command: expect.stringContaining("began") });
    await operations.run(commandRequest("touch go", cwd));
    expect((await running).operation).toMatchObject({ status: "SUCCEEDED" });
  });

  it.each([
    ["exit 3", { exitCode: 3, message: 'Command "exit 3" failed with exit code 3' }],
    ["kill -KILL $$", { message: 'Command "kill -KILL $$" was ended by SIGKILL' }],
  ])("records that %j failed", async (command, expected) => {
    const { operations } = await startOperations();
    const { operation } = await operations.run(commandRequest(command, temporaryDirectory()));
    expect(operation).toMatchObject({ status: "FAILED", ...expected });
  });

  it("ends a command that takes too long, with its whole tree", async () => {
    const { operations } = await startOperations();
    const cwd = temporaryDirectory();
    const command = "setsid sleep 1000 & echo $! >pid; sleep 1000";
    const { operation, timedOut } = await operations.run(
      commandRequest(command, cwd, { timeoutMs: 300 }),
    );
    expect(timedOut).toBe(true);
    expect(operation).toMatchObject({
      status: "FAILED",
      message: `Command "${command}" timed out after 0.3 s`,
    });
    expect(isLive(Number(readFileSync(join(cwd, "pid"), "utf8")))).toBe(false);
  });

  it("never waits on a grandchild that keeps the pipe, and ends it", async () => {
    const { operations } = await startOperations();
    const cwd = temporaryDirectory();
    const began = performance.now();
    const { operation } = await operations.run(
      commandRequest("sleep 1000 & echo $! >pid; echo over", cwd),
    );
    expect(operation).toMatchObject({ status: "SUCCEEDED", stdoutExcerpt: "over\n" });
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(isLive(Number(readFileSync(join(cwd, "pid"), "utf8")))).toBe(false);
  });

  it("says why a command could not be started", async () => {
    const { operations } = await startOperations();
    const missing = join(temporaryDirectory(), "missing");
    const outcome = await operations.run(commandRequest("true", missing));
    expect(outcome.operation).toMatchObject({
      status: "FAILED",
      message: expect.stringContaining("could not be started"),
    });
    expect(outcome.spawnError?.reason).toBe("SPAWN_FAILED");
  });

  it("keeps the end of an output that is longer than 16 MiB", async () => {
    const { operations, directory } = await startOperations();
    const command = "head -c 60000000 /dev/zero | tr '\\0' x; echo; echo the end";
    const { operation } = await operations.run(commandRequest(command, temporaryDirectory()));
    expect(operation).toMatchObject({ status: "SUCCEEDED", stdoutBytes: 60_000_009 });
    expect(operation.stdoutExcerpt).toMatch(/^x+\nthe end\n$/);
    const { blocks } = statSync(join(directory, operation.operationId, "stdout.log"));
    expect(blocks * 512).toBeLessThan(40_000_000);
  });

  it("reads no input", async () => {
    const { operations } = await startOperations();
    const { operation } = await operations.run(
      commandRequest("read line; echo $?", temporaryDirectory()),
    );
    expect(operation.stdoutExcerpt).toBe("1\n");
  });

  it("gives the command its environment and nothing else of the server's", async () => {
    const { operations } = await startOperations();
    const env = { PATH: process.env.PATH ?? "", GIVEN: "yes" };
    const { operation } = await operations.run(
      commandRequest("env", temporaryDirectory(), { env }),
    );
    const names = operation.stdoutExcerpt
      .trim()
      .split("\n")
      .map((line) => line.split("=")[0]);
    expect(names.sort()).toEqual(expect.arrayContaining(["GIVEN", "PATH"]));
    expect(
      names.filter(
        (name) => !/^(GIVEN|PATH|PWD|OLDPWD|SHLVL|_|WORKSPACE_RUNTIME_.*)$/.test(name ?? ""),
      ),
    ).toEqual([]);
  });
});

describe("record and begin", () => {
  it("records a step without a process", async () => {
    const { operations } = await startOperations();
    const step = {
      phase: "WORKTREE_PREPARE" as const,
      command: "",
      message: "Reused",
      cwd: "/x",
      companyId: "c",
      workspaceId: "w",
      actor: { runId: "r", userId: "" },
      metadata: {},
    };
    const operation = await operations.record(step);
    expect(operation).toMatchObject({ status: "SUCCEEDED", message: "Reused", workspaceId: "w" });
    const page = await operations.list(
      { companyId: "c", workspaceIds: [], runIds: ["r"], statuses: [] },
      { pageSize: 0, pageToken: "" },
    );
    expect(page.items).toEqual([operation]);
  });

  it("writes the outcome of a step that goes on", async () => {
    const { operations } = await startOperations();
    const ongoing = await operations.begin({
      phase: "SERVICE_CONTROL",
      command: "workspace runtime start",
      message: "Started",
      cwd: "/x",
      companyId: "c",
      metadata: {},
    });
    expect(ongoing.operation).toMatchObject({ status: "RUNNING" });
    const over = await ongoing.finish({ status: "SUCCEEDED", serviceIds: ["s"] });
    expect(over).toMatchObject({ status: "SUCCEEDED", message: "Started", serviceIds: ["s"] });
  });

  it("knows no operation of another id", async () => {
    const { operations } = await startOperations();
    await expect(operations.get("nope")).rejects.toMatchObject({
      reason: "OPERATION_NOT_FOUND",
      metadata: { operation_id: "nope" },
    });
  });
});

function isLive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
