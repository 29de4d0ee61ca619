/** What the store says, whoever was asked: the server that runs, or the store itself. */
export interface Rows {
  /** Local services of this data directory. */
  readonly services: readonly ServiceFacts[];
  /** Operations that run. */
  readonly operationIds: readonly string[];
  /** Of git worktrees, those that should be there. */
  readonly worktrees: readonly WorktreeFacts[];
}

export interface ServiceFacts {
  readonly serviceId: string;
  readonly name: string;
  /** STARTING, RUNNING, STOPPING or BACKOFF. */
  readonly isLive: boolean;
  readonly isRunning: boolean;
  readonly isStray: boolean;
  readonly instance: number;
  /** "" when no process is known. */
  readonly pid: string;
}

export interface WorktreeFacts {
  readonly workspaceId: string;
  readonly path: string;
  readonly repoRoot: string;
  readonly branchName: string;
}
