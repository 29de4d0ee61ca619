import { gitEnvironment, INSPECTION_OPTIONS } from "../../git/environment.ts";
import type { JsonValue, Operation } from "../../model/operation.ts";
import type { Workspace } from "../../model/workspace.ts";
import { commandLine } from "../../operations/command-line.ts";
import type { CommandOutcome, Operations } from "../../operations/operations.ts";
import type { OperationContext } from "../git-operation.ts";

export type CleanupAction = "worktree_remove" | "branch_delete" | "remove_local_fs" | "rescue";

export interface CleanupStep {
  readonly action: CleanupAction;
  /** How it is shown, as a person would type it. */
  readonly shown: readonly string[];
  /** What is run where that is not the same; git's own options are put in. */
  readonly script?: string;
  readonly cwd: string;
  readonly message: string;
  readonly metadata?: { readonly [key: string]: JsonValue };
}

/** Runs what cleanup changes: each an operation, none with a hook or monitor of the repository's. */
export type RunCleanupStep = (
  context: OperationContext,
  workspace: Workspace,
  step: CleanupStep,
) => Promise<CommandOutcome>;

export interface CleanupStepOptions {
  readonly operations: Operations;
  readonly baseEnv: () => Promise<Readonly<Record<string, string>>>;
  readonly timeoutMs: number;
}

const GLOBALS = ["-c", "gc.auto=0", "-c", "maintenance.auto=false", ...INSPECTION_OPTIONS];

/** `git` in a script: without hooks, and nothing left in the background. */
export const GIT = commandLine(["git", ...GLOBALS]);

export function createRunCleanupStep(options: CleanupStepOptions): RunCleanupStep {
  const { operations, baseEnv, timeoutMs } = options;
  return async (context, workspace, { action, shown, script, cwd, message, metadata }) => {
    const [program = "", ...rest] = shown;
    const args = program === "git" ? ["git", ...GLOBALS, ...rest] : shown;
    return await operations.run({
      ...context,
      phase: "WORKTREE_CLEANUP",
      command: commandLine(shown),
      process:
        script === undefined
          ? { kind: "argv", args }
          : { kind: "argv", args: ["/bin/sh", "-c", script] },
      cwd,
      env: gitEnvironment(await baseEnv()),
      timeoutMs,
      message,
      metadata: { ...cleanupMetadata(workspace), cleanupAction: action, ...metadata },
    });
  };
}

/** What every teardown and cleanup operation says of its workspace. */
export function cleanupMetadata(workspace: Workspace) {
  return {
    workspaceId: workspace.workspaceId,
    workspacePath: pathOf(workspace),
    branchName: workspace.branchName,
  };
}

/** The directory of a workspace. */
export function pathOf({ worktreePath, cwd }: Workspace): string {
  return worktreePath || cwd;
}

export function isSuccess({ status }: Operation): boolean {
  return status === "SUCCEEDED";
}
