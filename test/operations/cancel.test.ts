import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../git/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { isAlive } from "../support/workspace.ts";
import { commandRequest, startOperations } from "./fixture.ts";

/** Operations with one command under way; `began` is a file that it makes. */
async function startCommand(command: string) {
  const runtime = await startOperations();
  const cwd = temporaryDirectory();
  const outcome = runtime.operations.run(commandRequest(command, cwd));
  await eventually(() => existsSync(join(cwd, "began")));
  const [row] = await runtime.store.operations.listRunning("node-1");
  return { ...runtime, cwd, outcome, operationId: row?.operationId ?? "" };
}

describe("cancelling an operation", () => {
  it("ends its command with the whole tree, and says so in the row", async () => {
    const command = "setsid sleep 1000 & echo $! >pid; touch began; wait";
    const { operations, operationId, outcome, cwd } = await startCommand(command);
    const cancelled = await operations.cancel(operationId);
    expect(cancelled).toMatchObject({
      operationId,
      status: "CANCELLED",
      message: `Command "${command}" was cancelled`,
      endTime: expect.any(Number),
    });
    expect(isAlive(Number(readFileSync(join(cwd, "pid"), "utf8")))).toBe(false);
    expect((await outcome).operation).toEqual(cancelled);
    expect(await operations.cancel(operationId)).toEqual(cancelled);
  });

  it("kills what does not end when it is asked to, once for all who cancel", async () => {
    const { operations, operationId } = await startCommand(
      "trap '' TERM; touch began; while :; do sleep 0.05; done",
    );
    const answers = await Promise.all([1, 2].map(() => operations.cancel(operationId)));
    expect(answers.map(({ status }) => status)).toEqual(["CANCELLED", "CANCELLED"]);
  });

  it("cancels a command whose process has not come to be yet", async () => {
    const { operations, store } = await startOperations();
    const cwd = temporaryDirectory();
    const outcome = operations.run(commandRequest("sleep 1000", cwd));
    const [row] = await eventually(async () => {
      const running = await store.operations.listRunning("node-1");
      return running.length > 0 && running;
    });
    expect(await operations.cancel(row?.operationId ?? "")).toMatchObject({ status: "CANCELLED" });
    expect((await outcome).operation.status).toBe("CANCELLED");
  });

  it("answers one that has ended as it ended", async () => {
    const { operations } = await startOperations();
    const { operation } = await operations.run(commandRequest("exit 3", temporaryDirectory()));
    expect(await operations.cancel(operation.operationId)).toEqual(operation);
  });

  it("refuses what is not there, and a control operation that has no process of its own", async () => {
    const { operations } = await startOperations();
    await expect(operations.cancel("nowhere")).rejects.toMatchObject({
      reason: "OPERATION_NOT_FOUND",
    });
    const control = await operations.begin({
      phase: "SERVICE_CONTROL",
      command: "workspace runtime start",
      message: "",
      cwd: "/x",
      companyId: "c",
      metadata: {},
    });
    const { operationId } = control.operation;
    await expect(operations.cancel(operationId)).rejects.toMatchObject({
      reason: "INVALID_FIELD",
      violations: [{ field: "operation_id" }],
    });
    await control.finish({ status: "SUCCEEDED" });
    expect(await operations.cancel(operationId)).toMatchObject({ status: "SUCCEEDED" });
  });
});
