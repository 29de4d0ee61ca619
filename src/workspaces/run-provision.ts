import { gitEnvironment } from "../git/environment.ts";
import type { Operation } from "../model/operation.ts";
import type { GitWorktreeStrategy } from "../model/workspace.ts";
import type { Operations } from "../operations/operations.ts";
import { type OperationContext, succeeded } from "./git-operation.ts";

export interface ProvisionDependencies {
  readonly operations: Operations;
  readonly baseEnv: () => Promise<Readonly<Record<string, string>>>;
}

export interface ProvisionRequest {
  readonly strategy: GitWorktreeStrategy;
  readonly context: OperationContext;
  /** Over the base environment: the call's own and the workspace's variables. */
  readonly env: Readonly<Record<string, string>>;
  readonly place: {
    readonly repoRoot: string;
    readonly worktreePath: string;
    readonly branchName: string;
  };
  readonly isFresh: boolean;
}

/** Runs the provision command in the worktree. Throws COMMAND_FAILED, COMMAND_TIMED_OUT or STORAGE_FULL. */
export async function runProvision(
  { operations, baseEnv }: ProvisionDependencies,
  { strategy, context, env, place, isFresh }: ProvisionRequest,
): Promise<Operation> {
  const command = strategy.provisionCommand ?? "";
  const outcome = await operations.run({
    ...context,
    phase: "WORKSPACE_PROVISION",
    command,
    process: { kind: "command", command },
    cwd: place.worktreePath,
    env: { ...gitEnvironment(await baseEnv()), ...env },
    message: `Provisioned workspace at ${place.worktreePath}`,
    metadata: { ...place, created: isFresh },
    ...(strategy.provisionTimeoutMs === undefined
      ? {}
      : { timeoutMs: strategy.provisionTimeoutMs }),
  });
  return succeeded(outcome);
}
