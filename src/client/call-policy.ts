import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";

/** How calls are made that do not say it themselves; the same for both clients. */
export interface CallPolicy {
  /**
   * Deadline in ms of unary calls that have no `timeoutMs` of their own, over all their tries; 0: none. Default: by
   * method, see `defaultTimeoutsMs`.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * How often a unary call that may be repeated is tried at most while the server is away (UNAVAILABLE), the first
   * try included; 1: never again. Default 8, which takes about 5 s.
   */
  readonly maxAttempts?: number | undefined;
}

export const DEFAULT_MAX_ATTEMPTS = 8;

type Methods = (typeof WorkspaceRuntime)["method"];
type UnaryMethod = {
  [Name in keyof Methods]: Methods[Name]["methodKind"] extends "unary" ? Name : never;
}[keyof Methods];

const SECONDS = 1_000;
const MINUTES = 60 * SECONDS;

/**
 * Deadlines of unary calls in ms. Short where rows are read or written, long where commands run, programs start or
 * process trees end. Streams have none. A deadline ends the wait alone: what was begun goes on, and the same call
 * again joins it.
 */
export const defaultTimeoutsMs: Readonly<Record<UnaryMethod, number>> = {
  getProjectWorkspace: 30 * SECONDS,
  listProjectWorkspaces: 30 * SECONDS,
  getWorkspace: 30 * SECONDS,
  listWorkspaces: 30 * SECONDS,
  listRescues: 30 * SECONDS,
  listLeases: 30 * SECONDS,
  getService: 30 * SECONDS,
  listServices: 30 * SECONDS,
  getOperation: 30 * SECONDS,
  listOperations: 30 * SECONDS,
  readLogs: 30 * SECONDS,
  getRuntimeInfo: 30 * SECONDS,

  // A call that changes something may wait 30 s for a server that is starting.
  putProjectWorkspace: MINUTES,
  deleteProjectWorkspace: MINUTES,
  renewRun: MINUTES,
  reportServices: MINUTES,
  deleteRescue: MINUTES,
  importWorkspace: 2 * MINUTES,
  cancelOperation: 2 * MINUTES,
  collectGarbage: 5 * MINUTES,

  // Each grace period is the spec's own, 10 s unless it says otherwise.
  stopServices: 5 * MINUTES,
  releaseRun: 5 * MINUTES,

  // Readiness takes up to the specs' own timeouts, one after the other where services depend on each other.
  ensureServices: 10 * MINUTES,
  startServices: 10 * MINUTES,
  restartServices: 15 * MINUTES,

  // The commands of a workspace have 10 minutes each.
  realizeWorkspace: 20 * MINUTES,
  restoreWorkspace: 20 * MINUTES,
  updateWorkspace: 20 * MINUTES,
  cleanupWorkspace: 40 * MINUTES,
};

/** The deadline of a call to `method`, in ms; undefined: none. */
export function timeoutOf(
  method: DescMethod,
  asked: number | undefined,
  policy: CallPolicy,
): number | undefined {
  const byMethod: Readonly<Record<string, number>> = defaultTimeoutsMs;
  const timeoutMs = asked ?? policy.timeoutMs ?? byMethod[method.localName] ?? 0;
  return timeoutMs > 0 ? timeoutMs : undefined;
}

/** May the same call be made again when nobody knows what became of the first? */
export function isRepeatable(method: DescMethod): boolean {
  return (
    method.idempotency === Idempotency.NO_SIDE_EFFECTS ||
    method.idempotency === Idempotency.IDEMPOTENT
  );
}

/**
 * Is the server away for now? STARTING_UP, SHUTTING_DOWN and STORE_UNAVAILABLE have this code, as has a lost
 * connection. STALE_REVISION is not repeated: only its caller knows what a change since then means.
 */
export function isAway(error: unknown): error is ConnectError {
  return error instanceof ConnectError && error.code === Code.Unavailable;
}
