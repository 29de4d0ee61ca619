import type { ErrorReason } from "../errors.ts";

/** The status codes of gRPC, which Connect shares. */
export const StatusCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;
export type StatusCodeName = keyof typeof StatusCode;

/** How a reason travels. */
export interface ErrorRow {
  readonly code: StatusCodeName;
  /** When the same call may succeed, in ms: sent as RetryInfo. */
  readonly retryAfterMs?: number;
}

/** The one place where the domain's reasons meet the protocol's codes. */
export const errorTable: Readonly<Record<ErrorReason, ErrorRow>> = {
  INVALID_FIELD: { code: "INVALID_ARGUMENT" },
  INVALID_BRANCH_NAME: { code: "INVALID_ARGUMENT" },
  INVALID_TEMPLATE: { code: "INVALID_ARGUMENT" },
  DEPENDENCY_CYCLE: { code: "INVALID_ARGUMENT" },

  WORKSPACE_NOT_FOUND: { code: "NOT_FOUND" },
  SERVICE_NOT_FOUND: { code: "NOT_FOUND" },
  OPERATION_NOT_FOUND: { code: "NOT_FOUND" },
  PROJECT_WORKSPACE_NOT_FOUND: { code: "NOT_FOUND" },
  RUN_NOT_FOUND: { code: "NOT_FOUND" },

  NOT_A_GIT_REPOSITORY: { code: "FAILED_PRECONDITION" },
  BASE_REF_NOT_FOUND: { code: "FAILED_PRECONDITION" },
  WORKTREE_PATH_OCCUPIED: { code: "FAILED_PRECONDITION" },
  WORKTREE_BRANCH_MISMATCH: { code: "FAILED_PRECONDITION" },
  WORKTREE_IN_USE: { code: "FAILED_PRECONDITION" },
  BRANCH_CONFLICT: { code: "FAILED_PRECONDITION" },
  WORKSPACE_CONFLICT: { code: "FAILED_PRECONDITION" },
  WORKSPACE_ARCHIVED: { code: "FAILED_PRECONDITION" },
  PROJECT_WORKSPACE_IN_USE: { code: "FAILED_PRECONDITION" },
  WORKSPACE_DIRTY: { code: "FAILED_PRECONDITION" },
  WORKSPACE_LEASED: { code: "FAILED_PRECONDITION" },
  SERVICE_LEASED: { code: "FAILED_PRECONDITION" },
  COMMAND_FAILED: { code: "FAILED_PRECONDITION" },
  COMMAND_TIMED_OUT: { code: "FAILED_PRECONDITION" },
  LINK_REPAIR_FAILED: { code: "FAILED_PRECONDITION" },
  PORT_IN_USE: { code: "FAILED_PRECONDITION" },
  SERVICE_EXITED_EARLY: { code: "FAILED_PRECONDITION" },
  SERVICE_NOT_READY: { code: "FAILED_PRECONDITION" },
  SPAWN_FAILED: { code: "FAILED_PRECONDITION" },
  DEPENDENCY_FAILED: { code: "FAILED_PRECONDITION" },
  SERVICE_STOPPED: { code: "FAILED_PRECONDITION" },

  PATH_NOT_ALLOWED: { code: "PERMISSION_DENIED" },
  FORBIDDEN: { code: "PERMISSION_DENIED" },
  UNAUTHENTICATED: { code: "UNAUTHENTICATED" },

  // Read again, then at once.
  STALE_REVISION: { code: "ABORTED", retryAfterMs: 0 },
  RUN_RELEASED: { code: "ABORTED" },
  STOP_NOT_PROVEN: { code: "ABORTED" },
  CURSOR_EXPIRED: { code: "OUT_OF_RANGE" },

  LIMIT_EXCEEDED: { code: "RESOURCE_EXHAUSTED", retryAfterMs: 1_000 },
  PORT_RANGE_EXHAUSTED: { code: "RESOURCE_EXHAUSTED", retryAfterMs: 5_000 },
  STORAGE_FULL: { code: "RESOURCE_EXHAUSTED", retryAfterMs: 30_000 },

  STORE_UNAVAILABLE: { code: "UNAVAILABLE", retryAfterMs: 1_000 },
  SHUTTING_DOWN: { code: "UNAVAILABLE", retryAfterMs: 1_000 },
  STARTING_UP: { code: "UNAVAILABLE", retryAfterMs: 500 },

  NOT_IMPLEMENTED: { code: "UNIMPLEMENTED" },
  INTERNAL: { code: "INTERNAL" },
};
