import type { Actor } from "./workspace.ts";

export type OperationPhase =
  | "WORKTREE_PREPARE"
  | "WORKSPACE_PROVISION"
  | "WORKSPACE_TEARDOWN"
  | "WORKTREE_CLEANUP"
  | "SERVICE_CONTROL";
export type OperationStatus = "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED" | "INTERRUPTED";

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** A recorded command or control call. All times are epoch ms. */
export interface Operation {
  readonly operationId: string;
  readonly companyId: string;
  readonly workspaceId: string;
  readonly projectWorkspaceId: string;
  readonly serviceIds: readonly string[];
  readonly actor?: Actor;
  readonly issueId: string;
  readonly phase: OperationPhase;
  /** As a person would type it; "" for a step without a command. */
  readonly command: string;
  readonly message: string;
  readonly cwd: string;
  readonly status: OperationStatus;
  readonly exitCode?: number;
  readonly metadata: { readonly [key: string]: JsonValue };
  /** The last 4 KiB of each stream. */
  readonly stdoutExcerpt: string;
  readonly stderrExcerpt: string;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  readonly nodeId: string;
  readonly startTime: number;
  readonly endTime?: number;
  readonly revision: number;
}
