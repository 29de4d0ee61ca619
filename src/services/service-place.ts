import type { ProjectWorkspace } from "../model/project-workspace.ts";
import type { AgentRef, IssueRef, Workspace } from "../model/workspace.ts";

/** Where services run, as their plans see it: a workspace has all of this, a project workspace gives it. */
export interface ServicePlace {
  readonly companyId: string;
  readonly projectId: string;
  readonly projectWorkspaceId: string;
  /** "" for a project workspace. */
  readonly workspaceId: string;
  readonly issue?: IssueRef;
  readonly agent?: AgentRef;
  readonly cwd: string;
  readonly branchName: string;
  readonly worktreePath: string;
  readonly repoUrl: string;
  readonly repoRef: string;
}

/** What has a configuration and a desired state: whose services control calls and the boot start. */
export type ServiceHome = Workspace | ProjectWorkspace;

export function placeOf(home: ServiceHome): ServicePlace {
  return isWorkspace(home) ? home : placeOfProject(home);
}

export function isWorkspace(home: ServiceHome): home is Workspace {
  return "workspaceId" in home;
}

/** A primary checkout is nobody's task: no issue and no agent, its branch what the project calls it. */
function placeOfProject(project: ProjectWorkspace): ServicePlace {
  const { companyId, projectId, projectWorkspaceId, cwd, repoUrl, repoRef } = project;
  return {
    companyId,
    projectId,
    projectWorkspaceId,
    workspaceId: "",
    cwd,
    branchName: repoRef,
    worktreePath: "",
    repoUrl,
    repoRef,
  };
}
