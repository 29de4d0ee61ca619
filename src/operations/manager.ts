import { v7 as uuidv7 } from "uuid";
import type { Clock } from "../clock.ts";
import { invalidField, isRuntimeError, RuntimeError } from "../errors.ts";
import type { Failpoints } from "../failpoints.ts";
import type { Operation, OperationStatus } from "../model/operation.ts";
import type { Survivor } from "../model/service.ts";
import type { Store } from "../store/store.ts";
import { describeFailure } from "./describe-failure.ts";
import type {
  CommandOutcome,
  CommandRequest,
  OngoingOperation,
  Operations,
  StepRequest,
} from "./operations.ts";
import { type CommandEnd, type CommandRunner, DEFAULT_TIMEOUT_MS } from "./run-command.ts";

export interface OperationsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly runner: CommandRunner;
  readonly failpoints: Failpoints;
}

interface CommandUnderWay {
  readonly cancel: AbortController;
  /** Settles when the row has its outcome. */
  readonly outcome: Promise<unknown>;
}

export function createOperations(options: OperationsOptions): Operations {
  const { store, clock, runner, failpoints } = options;
  /** Ends of commands that an earlier server began, by workspace. */
  const inherited = new Map<string, Promise<unknown>>();
  /** Until their outcomes are written. */
  const commands = new Map<string, CommandUnderWay>();
  /** Their rows may stand already: readers of their output wait for it. */
  const beginning = new Set<string>();

  return {
    async run(request) {
      const operationId = uuidv7();
      const cancel = new AbortController();
      const outcome = run(operationId, request, cancel.signal);
      underWay(operationId, { cancel, outcome });
      return await outcome;
    },
    record: (request) => insert(request, { status: request.status ?? "SUCCEEDED" }),
    begin: async (request) => ongoing(request, await insert(request)),
    get,
    cancel,
    list: (filter, page) => store.operations.list(filter, page),
    isRunning: (operationId) => beginning.has(operationId) || runner.isRunning(operationId),
    async recover(nodeId) {
      const running = await store.operations.listRunning(nodeId);
      await Promise.all(running.map((operation) => recoverOne(operation)));
    },
    async settled(workspaceId) {
      await inherited.get(workspaceId);
    },
  };

  async function get(operationId: string): Promise<Operation> {
    const operation = await store.operations.get(operationId);
    if (operation === undefined) throw notFound(operationId);
    return operation;
  }

  async function run(
    operationId: string,
    request: CommandRequest,
    cancelled: AbortSignal,
  ): Promise<CommandOutcome> {
    const { command, timeoutMs = DEFAULT_TIMEOUT_MS } = request;
    let end: CommandEnd;
    beginning.add(operationId);
    try {
      await insert(request, undefined, operationId);
    } catch (error) {
      beginning.delete(operationId);
      throw error;
    }
    try {
      await failpoints.hit("operation.row-written");
      const running = runner.run(operationId, request, cancelled);
      beginning.delete(operationId);
      end = await running;
      await failpoints.hit("operation.exited");
    } catch (error) {
      beginning.delete(operationId);
      // A server that ends leaves the row to the next one, which finds the command.
      if (!isRuntimeError(error, "SHUTTING_DOWN")) await giveUp(operationId, error as Error);
      throw error;
    }
    const failure = describeFailure(command, end, timeoutMs);
    const operation = await conclude(operationId, {
      status: statusOf(end, failure),
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
  }

  async function cancel(operationId: string): Promise<Operation> {
    const command = commands.get(operationId);
    const operation = await get(operationId);
    if (operation.status !== "RUNNING") return operation;
    if (command === undefined) throw withoutCommand(operation);
    command.cancel.abort();
    const outcome = await runner.stop(operationId);
    if (outcome?.proven === false) throw notProven(operationId, outcome.survivors);
    await command.outcome;
    return await get(operationId);
  }

  /** Lets the command be cancelled until its outcome is written. */
  function underWay(operationId: string, command: CommandUnderWay): void {
    const forget = () => void commands.delete(operationId);
    commands.set(operationId, command);
    command.outcome.then(forget, forget);
  }

  /** Resolves once it is known whether the command lives; its outcome is written when it ends. */
  async function recoverOne({ operationId, workspaceId, command }: Operation): Promise<void> {
    const cancel = new AbortController();
    const { isLiving, end } = await runner.resume(operationId, cancel.signal);
    const written = end.then((facts) => {
      const failure = describeFailure(command, facts, DEFAULT_TIMEOUT_MS);
      return conclude(operationId, {
        ...(isLiving
          ? { status: statusOf(facts, failure), message: failure ?? "" }
          : { status: "INTERRUPTED", message: "The server ended while this was going on" }),
        ...factsOf(facts),
      });
    });
    underWay(operationId, { cancel, outcome: written });
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
  function insert(
    request: StepRequest,
    over?: Pick<Operation, "status">,
    operationId = uuidv7(),
  ): Promise<Operation> {
    const now = clock.now();
    return store.operations.insert({
      operationId,
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
        conclude(operation.operationId, {
          ...outcome,
          message: outcome.message ?? request.message,
          endTime: clock.now(),
        }),
    };
  }

  /** Whatever went wrong, the operation is over; the first error is the one to tell. */
  async function giveUp(operationId: string, { message }: Error): Promise<void> {
    const outcome = { status: "FAILED", message, endTime: clock.now() } as const;
    await conclude(operationId, outcome).catch(() => {});
  }

  /**
   * What has happened is true whether it can be stored or not: an outcome that finds no space, or no
   * store, is told to the caller and written again until it stands, or the server ends.
   */
  async function conclude(operationId: string, patch: OperationPatch): Promise<Operation> {
    try {
      return await update(operationId, patch);
    } catch (error) {
      writeLater(operationId, patch, FIRST_RETRY_MS);
      throw error;
    }
  }

  function writeLater(operationId: string, patch: OperationPatch, pauseMs: number): void {
    clock.schedule(pauseMs, () => {
      update(operationId, patch).catch((error: unknown) => {
        if (isRuntimeError(error, "OPERATION_NOT_FOUND")) return;
        writeLater(operationId, patch, Math.min(2 * pauseMs, LONGEST_RETRY_MS));
      });
    });
  }

  async function update(operationId: string, patch: OperationPatch): Promise<Operation> {
    const operation = await store.operations.update(operationId, patch);
    if (operation === undefined) throw notFound(operationId);
    return operation;
  }
}

type OperationPatch = Parameters<Store["operations"]["update"]>[1];

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

function statusOf(end: CommandEnd, failure: string | undefined): OperationStatus {
  if (failure === undefined) return "SUCCEEDED";
  return end.cancelled ? "CANCELLED" : "FAILED";
}

function withoutCommand({ command }: Operation): RuntimeError {
  const description = `"${command}" has no process of its own that could be ended`;
  return invalidField("operation_id", description);
}

function notProven(operationId: string, survivors: readonly Survivor[]): RuntimeError {
  const left = survivors.map(({ pid, command }) => `${pid} (${command})`).join(", ");
  const message = `the command could not be proven to be gone; still living: ${left || "unknown"}`;
  return new RuntimeError("STOP_NOT_PROVEN", message, { metadata: { operation_id: operationId } });
}

function notFound(operationId: string): RuntimeError {
  return new RuntimeError("OPERATION_NOT_FOUND", `there is no operation "${operationId}"`, {
    metadata: { operation_id: operationId },
  });
}
