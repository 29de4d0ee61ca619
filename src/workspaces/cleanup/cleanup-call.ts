import type { ServiceFailure } from "../../errors.ts";
import type { Operation } from "../../model/operation.ts";
import type { Service, StateReason } from "../../model/service.ts";
import type { Actor, Workspace } from "../../model/workspace.ts";

/** What cleanup does with work that is not committed. */
export type DirtyPolicy = "RESCUE" | "REFUSE" | "DISCARD";

export interface CleanupRequest {
  readonly workspaceId: string;
  /** Default RESCUE. */
  readonly onDirty?: DirtyPolicy;
  /** Although other runs lease it: their leases end. */
  readonly force: boolean;
  /** Answers the plan, changes nothing. */
  readonly dryRun: boolean;
  /** Absent: the stored one. "": none. */
  readonly cleanupCommand?: string;
  readonly teardownCommand?: string;
  /** For the commands of this call alone: never stored, never in an operation. */
  readonly commandEnv: Readonly<Record<string, string>>;
  /** 0: any. */
  readonly expectedRevision: number;
  readonly actor?: Actor;
}

export type ActionKind =
  | "stop_services"
  | "cleanup_command"
  | "project_cleanup_command"
  | "teardown_command"
  | "rescue"
  | "git_worktree_remove"
  | "git_branch_delete"
  | "remove_local_fs";

export interface PlannedAction {
  readonly kind: ActionKind;
  readonly description: string;
  /** As a person would type it; "" for none. */
  readonly command: string;
}

export type CloseReadiness = "READY" | "READY_WITH_WARNINGS" | "BLOCKED";

/** What could not be found out is absent, never 0. */
export interface GitState {
  /** "" for a detached HEAD. */
  readonly branchName: string;
  readonly dirtyFiles?: number;
  readonly untrackedFiles?: number;
  readonly ahead?: number;
  readonly behind?: number;
  readonly merged?: boolean;
  readonly isPrimary: boolean;
}

export interface CleanupResult {
  /** "" if there was nothing to remove. */
  readonly cleanedPath: string;
  readonly cleaned: boolean;
  readonly warnings: readonly string[];
  readonly plannedActions: readonly PlannedAction[];
  /** Those that were stopped, or would be. */
  readonly services: readonly Service[];
  /** Who leases the workspace or those services. */
  readonly runIds: readonly string[];
  readonly ready: CloseReadiness;
  /** Before removal; absent without a checkout. */
  readonly git?: GitState;
  readonly rescueRef: string;
  readonly operations: readonly Operation[];
  readonly workspace: Workspace;
}

export interface RestoreRequest {
  readonly workspaceId: string;
  readonly expectedRevision: number;
  readonly commandEnv: Readonly<Record<string, string>>;
  readonly noWait: boolean;
  readonly actor?: Actor;
}

export interface RestoreResult {
  readonly workspace: Workspace;
  /** This call made the directory. */
  readonly created: boolean;
  readonly operations: readonly Operation[];
  readonly provisioned: boolean;
}

/** What a workspace's end needs of the services. */
export interface WorkspaceServices {
  ofWorkspace(workspace: Workspace): readonly Service[];
  stopOfWorkspace(
    workspace: Workspace,
    reason: Extract<StateReason, "STOP_REQUESTED" | "WORKSPACE_ARCHIVED">,
  ): Promise<{ readonly failures: readonly ServiceFailure[] }>;
}
