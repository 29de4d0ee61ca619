/** Every reason that a caller can meet; `rpc/error-table.ts` maps each to one status code. */
export type ErrorReason =
  | "INVALID_FIELD"
  | "INVALID_BRANCH_NAME"
  | "INVALID_TEMPLATE"
  | "DEPENDENCY_CYCLE"
  | "WORKSPACE_NOT_FOUND"
  | "SERVICE_NOT_FOUND"
  | "OPERATION_NOT_FOUND"
  | "PROJECT_WORKSPACE_NOT_FOUND"
  | "RUN_NOT_FOUND"
  | "NOT_A_GIT_REPOSITORY"
  | "BASE_REF_NOT_FOUND"
  | "WORKTREE_PATH_OCCUPIED"
  | "WORKTREE_BRANCH_MISMATCH"
  | "WORKTREE_IN_USE"
  | "BRANCH_CONFLICT"
  | "WORKSPACE_CONFLICT"
  | "WORKSPACE_ARCHIVED"
  | "PROJECT_WORKSPACE_IN_USE"
  | "WORKSPACE_DIRTY"
  | "WORKSPACE_LEASED"
  | "SERVICE_LEASED"
  | "PATH_NOT_ALLOWED"
  | "COMMAND_FAILED"
  | "COMMAND_TIMED_OUT"
  | "LINK_REPAIR_FAILED"
  | "PORT_IN_USE"
  | "SERVICE_EXITED_EARLY"
  | "SERVICE_NOT_READY"
  | "SPAWN_FAILED"
  | "DEPENDENCY_FAILED"
  | "SERVICE_STOPPED"
  | "STALE_REVISION"
  | "RUN_RELEASED"
  | "STOP_NOT_PROVEN"
  | "CURSOR_EXPIRED"
  | "LIMIT_EXCEEDED"
  | "PORT_RANGE_EXHAUSTED"
  | "STORAGE_FULL"
  | "STORE_UNAVAILABLE"
  | "SHUTTING_DOWN"
  | "STARTING_UP"
  | "UNAUTHENTICATED"
  | "FORBIDDEN"
  | "NOT_IMPLEMENTED"
  | "INTERNAL";

/** One request field that was refused. `field` is its proto path: `services[0].port.value`. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** One service that did not do what was asked, as it goes into error details and `failures[]`. */
export interface ServiceFailure {
  readonly serviceName: string;
  /** Absent when no row was ever written for it. */
  readonly serviceId?: string;
  readonly reason: ErrorReason;
  readonly message: string;
  readonly diagnosis?: import("./model/service.ts").Diagnosis;
  readonly exit?: import("./model/service.ts").ServiceExit;
  /** Facts for programs, where this failure stands for the whole call. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface RuntimeErrorOptions {
  /** Facts for programs: workspace_id, service_id, exit_code, port, pid, path, branch, … */
  readonly metadata?: Readonly<Record<string, string | number | undefined>>;
  readonly violations?: readonly FieldViolation[];
  readonly failures?: readonly ServiceFailure[];
  /** What happened underneath: for our log, never for the caller. */
  readonly cause?: unknown;
}

/** The one error of the domain: a reason that programs act on, a sentence for people, and facts. */
export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
  readonly reason: ErrorReason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];
  readonly failures: readonly ServiceFailure[];

  constructor(reason: ErrorReason, message: string, options: RuntimeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.metadata = Object.fromEntries(
      Object.entries(options.metadata ?? {}).flatMap(([key, value]) =>
        value === undefined ? [] : [[key, String(value)]],
      ),
    );
    this.violations = options.violations ?? [];
    this.failures = options.failures ?? [];
  }
}

/** A field of the request that was refused. Reason INVALID_FIELD unless the caller knows a narrower one. */
export function invalidField(
  field: string,
  description: string,
  reason:
    | "INVALID_FIELD"
    | "INVALID_BRANCH_NAME"
    | "INVALID_TEMPLATE"
    | "DEPENDENCY_CYCLE" = "INVALID_FIELD",
): RuntimeError {
  return new RuntimeError(reason, `${field}: ${description}`, {
    violations: [{ field, description }],
  });
}

export function isRuntimeError(error: unknown, reason?: ErrorReason): error is RuntimeError {
  return error instanceof RuntimeError && (reason === undefined || error.reason === reason);
}
