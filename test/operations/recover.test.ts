import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createFailpoints } from "../../src/failpoints.ts";
import { createLogs } from "../../src/logs/logs.ts";
import { createOperations } from "../../src/operations/manager.ts";
import { createCommandRunner } from "../../src/operations/run-command.ts";
import { createSupervisor } from "../../src/supervisor/supervisor.ts";
import { temporaryDirectory } from "../git/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { commandRequest, startOperations } from "./fixture.ts";

describe("recover", () => {
  it("marks what no process does any more as INTERRUPTED", async () => {
    const { operations, store } = await startOperations();
    const ongoing = await operations.begin({
      phase: "SERVICE_CONTROL",
      command: "workspace runtime start",
      message: "Started",
      cwd: "/x",
      companyId: "c",
      metadata: {},
    });
    const done = await operations.run(commandRequest("true", temporaryDirectory()));
    await operations.recover("node-1");
    const { operationId } = ongoing.operation;
    expect(await operations.get(operationId)).toMatchObject({
      status: "INTERRUPTED",
      endTime: expect.any(Number),
    });
    expect(await operations.get(done.operation.operationId)).toEqual(done.operation);
    expect(await store.operations.listRunning("node-1")).toEqual([]);
  });

  it("lets a command that still runs come to its own end, and says when", async () => {
    const { operations, store, supervisor, logs, clock, directory, dataDir } =
      await startOperations();
    const cwd = temporaryDirectory();
    const abandoned = operations.run(
      commandRequest("touch began; while ! [ -e go ]; do sleep 0.01; done; echo over", cwd, {
        workspaceId: "w",
      }),
    );
    abandoned.catch(() => {});
    await eventually(() => existsSync(join(cwd, "began")));
    await supervisor.close();
    await logs.close();

    const next = await createSupervisor({
      installationId: "installation-of-a-test",
      runtimeDirectory: join(dataDir, "runtime"),
      clock,
    });
    const nextLogs = createLogs({ clock });
    const runner = createCommandRunner({
      ...{ supervisor: next, logs: nextLogs, clock, directory, shell: "/bin/sh" },
      failpoints: createFailpoints(),
    });
    const after = createOperations({ store, clock, runner, failpoints: createFailpoints() });
    await after.recover("node-1");
    const [row] = await store.operations.listRunning("node-1");
    expect(row).toMatchObject({ status: "RUNNING" });
    expect(after.isRunning(row?.operationId ?? "")).toBe(true);
    writeFileSync(join(cwd, "go"), "");
    await after.settled("w");
    expect(await after.get(row?.operationId ?? "")).toMatchObject({
      status: "SUCCEEDED",
      exitCode: 0,
      stdoutExcerpt: "over\n",
    });
    await next.close();
    await nextLogs.close();
  });
});
