import type { RuntimeError } from "../errors.ts";
import type { JsonValue, Operation, OperationPhase, OperationStatus } from "../model/operation.ts";
import type { Page, PageRequest } from "../model/page.ts";
import type { Actor } from "../model/workspace.ts";
import type { OperationFilter } from "../store/operations.ts";

export type { OperationFilter } from "../store/operations.ts";

/** Recorded commands: the row is written before the command runs, its outcome after. */
export interface Operations {
  /**
   * Runs a command to its end, its output kept as a log. A command that fails, takes too long or
   * cannot be started is an outcome; only the store's own errors are thrown.
   */
  run(request: CommandRequest): Promise<CommandOutcome>;
  /** Records a step that has no process of its own, with its outcome. */
  record(request: StepRequest): Promise<Operation>;
  /** Records a step that is still going on; `finish` writes its outcome. */
  begin(request: StepRequest): Promise<OngoingOperation>;
  /** OPERATION_NOT_FOUND when there is no such row. */
  get(operationId: string): Promise<Operation>;
  list(filter: OperationFilter, page: PageRequest): Promise<Page<Operation>>;
  /** More output can come: its command runs, or its last bytes are still being written. */
  isRunning(operationId: string): boolean;
  /**
   * Ends a running command with its whole tree and answers its operation: CANCELLED, or as it ended
   * before. OPERATION_NOT_FOUND; INVALID_FIELD for one that runs without a command of this server;
   * STOP_NOT_PROVEN.
   */
  cancel(operationId: string): Promise<Operation>;
  /**
   * Once, at start-up: what this node left RUNNING and whose process is gone becomes INTERRUPTED; a
   * command that still runs goes on to its own outcome.
   */
  recover(nodeId: string): Promise<void>;
  /** Resolves when no command of an earlier server is at work in the workspace. */
  settled(workspaceId: string): Promise<void>;
}

export interface StepRequest {
  readonly phase: OperationPhase;
  /** As a person would type it; "" for none. */
  readonly command: string;
  /** What the row says once it succeeded. */
  readonly message: string;
  readonly cwd: string;
  readonly companyId: string;
  readonly workspaceId?: string;
  readonly projectWorkspaceId?: string;
  readonly serviceIds?: readonly string[];
  readonly issueId?: string;
  readonly actor?: Actor;
  readonly metadata: { readonly [key: string]: JsonValue };
  /** Default SUCCEEDED; `begin` ignores it. */
  readonly status?: OperationStatus;
}

export interface CommandRequest extends StepRequest {
  /** A shell line, or arguments without a shell. `command` is how it is shown. */
  readonly process:
    | { readonly kind: "command"; readonly command: string }
    | { readonly kind: "argv"; readonly args: readonly string[] };
  /** The whole environment of the command. */
  readonly env: Readonly<Record<string, string>>;
  /** Default 10 minutes. */
  readonly timeoutMs?: number;
}

export interface CommandOutcome {
  /** With its outcome: SUCCEEDED, FAILED or CANCELLED. */
  readonly operation: Operation;
  /** "SIGKILL": what ended the command, where that was a signal. */
  readonly signal?: string;
  /** It passed its time bound and was ended, with all that it started. */
  readonly timedOut: boolean;
  /** Why it never ran. */
  readonly spawnError?: RuntimeError;
}

export interface OngoingOperation {
  readonly operation: Operation;
  finish(outcome: {
    readonly status: OperationStatus;
    readonly message?: string;
    readonly serviceIds?: readonly string[];
    readonly metadata?: { readonly [key: string]: JsonValue };
  }): Promise<Operation>;
}
