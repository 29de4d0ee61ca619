import { v7 as uuidv7 } from "uuid";
import type { Clock } from "../clock.ts";
import { RuntimeError } from "../errors.ts";
import type { Failpoints } from "../failpoints.ts";
import type { Operation } from "../model/operation.ts";
import type { Store } from "../store/store.ts";
import { describeFailure } from "./describe-failure.ts";
import type { OngoingOperation, Operations, StepRequest } from "./operations.ts";
import { type CommandEnd, type CommandRunner, DEFAULT_TIMEOUT_MS } from "./run-command.ts";

export interface OperationsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly runner: CommandRunner;
  readonly failpoints: Failpoints;
}

export function createOperations(options: OperationsOptions): Operations {
  const { store, clock, runner, failpoints } = options;
  /** Ends of commands that an earlier server began, by workspace. */
  const inherited = new Map<string, Promise<unknown>>();

  return {
    async run(request) {
      const { command, timeoutMs = DEFAULT_TIMEOUT_MS } = request;
      const { operationId } = await insert(request);
      await failpoints.hit("operation.row-written");
      const end = await runner.run(operationId, request);
      await failpoints.hit("operation.exited");
      const failure = describeFailure(command, end, timeoutMs);
      const operation = await update(operationId, {
        status: failure === undefined ? "SUCCEEDED" : "FAILED",
        message: failure ?? request.message,
        ...factsOf(end),
      });
      await failpoints.hit("operation.outcome-written");
      const { spawnError, timedOut } = end;
      const signal = end.exit?.signal;
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
    async recover(nodeId) {
      const running = await store.operations.listRunning(nodeId);
      await Promise.all(running.map((operation) => recoverOne(operation)));
    },
    async settled(workspaceId) {
      await inherited.get(workspaceId);
    },
  };

  /** Resolves once it is known whether the command lives; its outcome is written when it ends. */
  async function recoverOne({ operationId, workspaceId, command }: Operation): Promise<void> {
    const { isLiving, end } = await runner.resume(operationId);
    const written = end.then((facts) => {
      const failure = describeFailure(command, facts, DEFAULT_TIMEOUT_MS);
      return update(operationId, {
        ...(isLiving
          ? { status: failure === undefined ? "SUCCEEDED" : "FAILED", message: failure ?? "" }
          : { status: "INTERRUPTED", message: "The server ended while this was going on" }),
        ...factsOf(facts),
      });
    });
    if (!isLiving) {
      await written;
      return;
    }
    const settled = Promise.allSettled([inherited.get(workspaceId), written]);
    inherited.set(workspaceId, settled);
  }

  function factsOf({ exit, stdout, stderr }: CommandEnd) {
    return {
      exitCode: exit?.code,
      stdoutExcerpt: stdout.text,
      stdoutBytes: stdout.bytes,
      stderrExcerpt: stderr.text,
      stderrBytes: stderr.bytes,
      endTime: clock.now(),
    };
  }

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
