import type { ServiceSpec } from "./service-spec.ts";

export type WorkspaceSource = "PROJECT_PRIMARY" | "TASK_SESSION" | "AGENT_HOME";
export type WorkspaceStrategy = "PROJECT_PRIMARY" | "GIT_WORKTREE";
export type WorkspaceState =
  | "PROVISIONING"
  | "ACTIVE"
  | "IDLE"
  | "IN_REVIEW"
  | "ARCHIVED"
  | "CLEANUP_FAILED"
  | "FAILED";
export type DesiredState = "RUNNING" | "STOPPED" | "MANUAL";
export type ProvisionPolicy = "ALWAYS" | "ON_CREATE" | "ON_INPUT_CHANGE";

export interface IssueRef {
  readonly issueId: string;
  readonly identifier: string;
  readonly title: string;
}

export interface AgentRef {
  readonly agentId: string;
  readonly name: string;
}

/** Who asked. Absent parts are "". */
export interface Actor {
  readonly runId: string;
  readonly userId: string;
  readonly agent?: AgentRef;
}

export interface RuntimeConfig {
  readonly services: readonly ServiceSpec[];
}

/** How a worktree is made; "" and absent mean the default of behaviour.md 2. */
export interface GitWorktreeStrategy {
  readonly branchTemplate?: string;
  readonly worktreeParentDir?: string;
  readonly baseRef?: string;
  readonly fetchBase?: boolean;
  readonly provisionCommand?: string;
  readonly provisionPolicy?: ProvisionPolicy;
  readonly provisionInputs?: readonly string[];
  /** Default 10 minutes. */
  readonly provisionTimeoutMs?: number;
  readonly cleanupCommand?: string;
  readonly teardownCommand?: string;
  readonly copyFiles?: readonly string[];
}

/** Where one task works. All times are epoch ms; an absent text is "". */
export interface Workspace {
  readonly workspaceId: string;
  readonly companyId: string;
  readonly projectId: string;
  readonly projectWorkspaceId: string;
  readonly name: string;
  readonly issue?: IssueRef;
  readonly agent?: AgentRef;
  readonly source: WorkspaceSource;
  readonly strategy: WorkspaceStrategy;
  readonly state: WorkspaceState;
  readonly stateMessage: string;
  readonly baseCwd: string;
  readonly cwd: string;
  readonly repoRoot: string;
  /** The repository's identity: one for all of its worktrees. "" for project_primary. */
  readonly gitCommonDir: string;
  readonly worktreePath: string;
  readonly branchName: string;
  readonly repoUrl: string;
  /** As asked. */
  readonly repoRef: string;
  /** As resolved. */
  readonly baseRef: string;
  readonly baseCommit: string;
  /** This service made the directory, ever. */
  readonly directoryCreated: boolean;
  /** This service made the branch, ever. */
  readonly branchCreated: boolean;
  readonly warnings: readonly string[];
  readonly gitWorktree?: GitWorktreeStrategy;
  readonly runtimeConfig?: RuntimeConfig;
  readonly desiredState?: DesiredState;
  readonly serviceStates: Readonly<Record<string, DesiredState>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly rescueRef: string;
  /** A provision that failed or never ended: the next realize runs it again as if created. */
  readonly provisionPending: boolean;
  /** Hash of the command and its inputs at the last provision that succeeded. */
  readonly provisionFingerprint: string;
  readonly nodeId: string;
  readonly createTime: number;
  readonly updateTime: number;
  readonly lastUsedTime: number;
  readonly cleanupTime?: number;
  readonly revision: number;
}
