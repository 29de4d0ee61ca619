import { availableParallelism } from "node:os";
import { type ErrorReason, RuntimeError } from "../errors.ts";
import { gitEnvironment } from "../git/environment.ts";
import type { Git } from "../git/git.ts";
import { withoutFilters } from "../git/status.ts";
import type { JsonValue, Operation } from "../model/operation.ts";
import type { Actor } from "../model/workspace.ts";
import { commandLine } from "../operations/command-line.ts";
import type { CommandOutcome, Operations } from "../operations/operations.ts";

/** On whose behalf the operations of one realize run. */
export interface OperationContext {
  readonly companyId: string;
  readonly workspaceId: string;
  readonly projectWorkspaceId: string;
  readonly issueId: string;
  readonly actor?: Actor;
}

export interface GitOperationRequest {
  /** Without `git` and without global options. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly message: string;
  readonly metadata: { readonly [key: string]: JsonValue };
  /** Added to the base environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the git commands that change a repository: each is an operation. */
export type GitOperation = (
  context: OperationContext,
  request: GitOperationRequest,
) => Promise<CommandOutcome>;

export interface GitOperationOptions {
  readonly git: Git;
  readonly operations: Operations;
  readonly baseEnv: () => Promise<Readonly<Record<string, string>>>;
  readonly timeoutMs: number;
  /** Whether the repository's hooks and filters run. */
  readonly repoHooks: boolean;
}

const MOST_WORKERS = 4;

export function createGitOperation(options: GitOperationOptions): GitOperation {
  const { git, operations, baseEnv, timeoutMs, repoHooks } = options;
  // Files are written by as many processes as there are processors: a quarter less time on two.
  const workers = Math.min(availableParallelism(), MOST_WORKERS);
  // What git starts of its own accord in the background would outlive the command.
  const globals = ["-c", "gc.auto=0", "-c", "maintenance.auto=false"];
  globals.push("-c", `checkout.workers=${workers}`);
  if (!repoHooks) globals.push("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false");
  return async (context, { args, env, ...request }) => {
    const filters = repoHooks ? [] : await withoutFilters(git, request.cwd);
    return await operations.run({
      ...context,
      ...request,
      phase: "WORKTREE_PREPARE",
      command: commandLine(["git", ...args]),
      process: { kind: "argv", args: ["git", ...globals, ...filters, ...args] },
      env: { ...gitEnvironment(await baseEnv()), ...env },
      timeoutMs,
    });
  };
}

/** The operation of a command that succeeded; throws COMMAND_FAILED, COMMAND_TIMED_OUT or STORAGE_FULL for another. */
export function succeeded({ operation, timedOut, signal, spawnError }: CommandOutcome): Operation {
  if (operation.status === "SUCCEEDED") return operation;
  const metadata = { operation_id: operation.operationId, exit_code: operation.exitCode, signal };
  throw new RuntimeError(reasonOf(timedOut, spawnError), operation.message, {
    metadata,
    cause: spawnError,
  });
}

/** A command that a full disk did not let begin is worth another try. */
function reasonOf(timedOut: boolean, spawnError: RuntimeError | undefined): ErrorReason {
  if (timedOut) return "COMMAND_TIMED_OUT";
  return spawnError?.reason === "STORAGE_FULL" ? "STORAGE_FULL" : "COMMAND_FAILED";
}
