import { v7 as uuidv7 } from "uuid";
import type { Clock } from "../clock.ts";
import { RuntimeError } from "../errors.ts";
import type { Operation } from "../model/operation.ts";
import type { Store } from "../store/store.ts";
import type { OngoingOperation, Operations, StepRequest } from "./operations.ts";
import { type CommandRunner, describeFailure } from "./run-command.ts";

export interface OperationsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly runner: CommandRunner;
}

export function createOperations({ store, clock, runner }: OperationsOptions): Operations {
  return {
    async run(request) {
      const { operationId } = await insert(request);
      const outcome = await runner.run(operationId, request);
      const failure = describeFailure(request, outcome);
      const operation = await update(operationId, {
        status: failure === undefined ? "SUCCEEDED" : "FAILED",
        message: failure ?? request.message,
        exitCode: outcome.exit?.code,
        stdoutExcerpt: outcome.stdout.text,
        stdoutBytes: outcome.stdout.bytes,
        stderrExcerpt: outcome.stderr.text,
        stderrBytes: outcome.stderr.bytes,
        endTime: clock.now(),
      });
      const { spawnError, timedOut } = outcome;
      const signal = outcome.exit?.signal;
      return {
        operation,
        timedOut,
        ...(signal === undefined ? {} : { signal }),
        ...(spawnError === undefined ? {} : { spawnError }),
      };
    },
    record: (request) => insert(request, { status: request.status ?? "SUCCEEDED" }),
    begin: async (request) => ongoing(request, await insert(request)),
    async get(operationId) {
      const operation = await store.operations.get(operationId);
      if (operation === undefined) throw notFound(operationId);
      return operation;
    },
    list: (filter, page) => store.operations.list(filter, page),
    isRunning: (operationId) => runner.isRunning(operationId),
  };

  /** Writes the row of a step: RUNNING, or over at once with the status given. */
  function insert(request: StepRequest, over?: Pick<Operation, "status">): Promise<Operation> {
    const now = clock.now();
    return store.operations.insert({
      operationId: uuidv7(),
      companyId: request.companyId,
      workspaceId: request.workspaceId ?? "",
      projectWorkspaceId: request.projectWorkspaceId ?? "",
      serviceIds: request.serviceIds ?? [],
      ...(request.actor === undefined ? {} : { actor: request.actor }),
      issueId: request.issueId ?? "",
      phase: request.phase,
      command: request.command,
      message: over === undefined ? "" : request.message,
      cwd: request.cwd,
      status: "RUNNING",
      metadata: request.metadata,
      stdoutExcerpt: "",
      stderrExcerpt: "",
      stdoutBytes: 0,
      stderrBytes: 0,
      startTime: now,
      ...(over === undefined ? {} : { ...over, endTime: now }),
    });
  }

  function ongoing(request: StepRequest, operation: Operation): OngoingOperation {
    return {
      operation,
      finish: (outcome) =>
        update(operation.operationId, {
          ...outcome,
          message: outcome.message ?? request.message,
          endTime: clock.now(),
        }),
    };
  }

  async function update(
    operationId: string,
    patch: Parameters<Store["operations"]["update"]>[1],
  ): Promise<Operation> {
    const operation = await store.operations.update(operationId, patch);
    if (operation === undefined) throw notFound(operationId);
    return operation;
  }
}

function notFound(operationId: string): RuntimeError {
  return new RuntimeError("OPERATION_NOT_FOUND", `there is no operation "${operationId}"`, {
    metadata: { operation_id: operationId },
  });
}
