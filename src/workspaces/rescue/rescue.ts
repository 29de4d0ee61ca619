/** Uncommitted work that a cleanup saved as a commit in the workspace's repository. */
export interface Rescue {
  readonly workspaceId: string;
  readonly ref: string;
  readonly commit: string;
  readonly companyId: string;
  readonly repoRoot: string;
  /** "" for a detached HEAD. */
  readonly branchName: string;
  /** What the work was on top of; "" for a branch without a commit. */
  readonly baseCommit: string;
  readonly changedFiles?: number;
  /** Epoch ms. */
  readonly createTime: number;
}

export interface RescueFilter {
  /** "" for all; so with the next. */
  readonly companyId: string;
  readonly workspaceId: string;
}
