import type { Lease, LeaseMode } from "../model/lease.ts";
import type { Operation } from "../model/operation.ts";
import type { Page, PageRequest } from "../model/page.ts";
import type {
  Actor,
  AgentRef,
  DesiredState,
  GitWorktreeStrategy,
  IssueRef,
  ProvisionPolicy,
  RuntimeConfig,
  Workspace,
  WorkspaceSource,
  WorkspaceState,
  WorkspaceStrategy,
} from "../model/workspace.ts";
import type { WorkspaceFilter } from "../store/workspaces.ts";
import type {
  CleanupRequest,
  CleanupResult,
  RestoreRequest,
  RestoreResult,
} from "./cleanup/cleanup-call.ts";
import type { DeleteRescueRequest } from "./rescue/delete-rescue.ts";
import type { Rescue, RescueFilter } from "./rescue/rescue.ts";

export type { WorkspaceFilter } from "../store/workspaces.ts";

/** Where tasks work. An aborted `signal` answers the caller; what was begun goes on. */
export interface Workspaces {
  /** Makes or finds the workspace of behaviour.md 2. Calls of one identity join. */
  realize(request: RealizeRequest, signal: AbortSignal): Promise<RealizeResult>;
  /** WORKSPACE_NOT_FOUND when there is no such row. */
  get(workspaceId: string): Promise<Workspace>;
  list(filter: WorkspaceFilter, page: PageRequest): Promise<Page<Workspace>>;
  /**
   * Changes some fields, after a realize of the workspace that is under way. WORKSPACE_NOT_FOUND,
   * STALE_REVISION, WORKSPACE_LEASED, WORKSPACE_ARCHIVED, WORKSPACE_CONFLICT, STOP_NOT_PROVEN.
   */
  update(request: UpdateRequest, signal: AbortSignal): Promise<Workspace>;
  /**
   * Ends a workspace (behaviour.md 4), or answers the plan of it. WORKSPACE_NOT_FOUND, WORKSPACE_DIRTY,
   * WORKSPACE_LEASED, PATH_NOT_ALLOWED, STALE_REVISION, STOP_NOT_PROVEN.
   */
  cleanup(request: CleanupRequest, signal: AbortSignal): Promise<CleanupResult>;
  /** Brings a cleaned workspace back. Calls for one join. Throws what realize does, STALE_REVISION. */
  restore(request: RestoreRequest, signal: AbortSignal): Promise<RestoreResult>;
  listRescues(filter: RescueFilter, page: PageRequest): Promise<Page<Rescue>>;
  /** WORKSPACE_NOT_FOUND, INVALID_FIELD for no such rescue, STALE_REVISION. */
  deleteRescue(request: DeleteRescueRequest, signal: AbortSignal): Promise<Rescue>;
  /** Takes over what was made before this service, once it is checked: import-workspace.ts. */
  import(request: ImportRequest, signal: AbortSignal): Promise<Workspace>;
}

export interface ImportRequest {
  readonly workspace: ImportedWorkspace;
  /** Checks and answers, stores nothing. */
  readonly dryRun: boolean;
  readonly actor?: Actor;
}

/** What a caller knows of it; texts are "" where nothing is known. */
export type ImportedWorkspace = Pick<
  Workspace,
  | "workspaceId"
  | "companyId"
  | "projectId"
  | "projectWorkspaceId"
  | "name"
  | "issue"
  | "agent"
  | "cwd"
  | "worktreePath"
  | "branchName"
  | "repoUrl"
  | "repoRef"
  | "baseRef"
  | "directoryCreated"
  | "branchCreated"
  | "gitWorktree"
  | "runtimeConfig"
  | "desiredState"
  | "serviceStates"
  | "labels"
> & {
  /** "" for a worktree: the root of its main checkout. */
  readonly baseCwd: string;
  readonly source?: WorkspaceSource;
  /** Absent: a git worktree if `worktreePath` is given. */
  readonly strategy?: WorkspaceStrategy;
  /** Absent: ACTIVE. */
  readonly state?: WorkspaceState;
};

export interface UpdateRequest {
  readonly workspaceId: string;
  readonly changes: WorkspaceChanges;
  /** 0: any. */
  readonly expectedRevision: number;
  readonly actor?: Actor;
}

/** What is absent stays. */
export interface WorkspaceChanges {
  readonly state?: Extract<WorkspaceState, "ACTIVE" | "IDLE" | "IN_REVIEW" | "ARCHIVED">;
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** null: none of its own. */
  readonly runtimeConfig?: RuntimeConfig | null;
  readonly desiredState?: DesiredState;
  readonly serviceStates?: Readonly<Record<string, DesiredState>>;
  /** "" and a policy of undefined empty what is stored. */
  readonly gitWorktree?: {
    readonly provisionCommand?: string;
    readonly cleanupCommand?: string;
    readonly teardownCommand?: string;
    readonly provisionPolicy?: ProvisionPolicy | undefined;
  };
}

export interface RealizeRequest {
  /** "" where the caller gives none; so with every text below. */
  readonly workspaceId: string;
  readonly companyId: string;
  readonly projectId: string;
  readonly projectWorkspaceId: string;
  readonly name: string;
  readonly baseCwd: string;
  readonly source?: WorkspaceSource;
  readonly repoUrl: string;
  readonly repoRef: string;
  readonly issue?: IssueRef;
  readonly agent?: AgentRef;
  readonly runId: string;
  readonly leaseMode?: LeaseMode;
  /** Absent: the server's default. 0: never expires. */
  readonly leaseTtlMs?: number;
  /** Absent: the stored one, for a new workspace project_primary. */
  readonly strategy?:
    | { readonly kind: "project_primary" }
    | { readonly kind: "git_worktree"; readonly gitWorktree: GitWorktreeStrategy };
  readonly runtimeConfig?: RuntimeConfig;
  readonly labels: Readonly<Record<string, string>>;
  /** For the commands of this call alone: never stored, never in an operation. */
  readonly commandEnv: Readonly<Record<string, string>>;
  readonly noWait: boolean;
  readonly actor?: Actor;
}

export interface RealizeResult {
  readonly workspace: Workspace;
  /** This call made the directory. */
  readonly created: boolean;
  readonly operations: readonly Operation[];
  readonly provisioned: boolean;
  /** Absent for a new workspace. */
  readonly previousState?: WorkspaceState;
  /** Present when the request names a run. */
  readonly lease?: Lease;
}
