import type { Page, PageRequest } from "../model/page.ts";
import type { ProjectWorkspace } from "../model/project-workspace.ts";

/** The primary checkouts of projects: what their workspaces share. No directory is made or removed. */
export interface ProjectWorkspaces {
  /**
   * Makes or replaces one; equal content makes no revision. INVALID_FIELD, PATH_NOT_ALLOWED,
   * WORKSPACE_CONFLICT for another company's id, STALE_REVISION.
   */
  put(request: PutRequest): Promise<ProjectWorkspace>;
  /** PROJECT_WORKSPACE_NOT_FOUND when there is no such row. */
  get(projectWorkspaceId: string): Promise<ProjectWorkspace>;
  list(filter: ProjectWorkspaceFilter, page: PageRequest): Promise<Page<ProjectWorkspace>>;
  /**
   * PROJECT_WORKSPACE_IN_USE while live workspaces or services refer to it,
   * PROJECT_WORKSPACE_NOT_FOUND, STALE_REVISION.
   */
  delete(projectWorkspaceId: string, expectedRevision: number): Promise<void>;
}

export interface PutRequest {
  /** All of it: what is left out is emptied, but an absent `desiredState` keeps what is stored. */
  readonly projectWorkspace: Omit<ProjectWorkspace, "createTime" | "updateTime" | "revision">;
  /** 0: any. */
  readonly expectedRevision: number;
}

/** Fields AND; an empty field does not filter. */
export interface ProjectWorkspaceFilter {
  readonly companyId: string;
  readonly projectId: string;
  readonly labels: Readonly<Record<string, string>>;
}
