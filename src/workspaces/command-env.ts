import type { AgentRef, IssueRef, WorkspaceSource } from "../model/workspace.ts";

/** What commands are told of their workspace. */
export interface WorkspaceFacts {
  readonly companyId: string;
  readonly projectId: string;
  readonly projectWorkspaceId: string;
  readonly source: WorkspaceSource;
  readonly issue?: IssueRef;
  readonly agent?: AgentRef;
  readonly cwd: string;
  readonly worktreePath: string;
  readonly branchName: string;
  readonly baseCwd: string;
  readonly repoRoot: string;
  readonly repoRef: string;
  readonly repoUrl: string;
}

/**
 * The `<prefix>WORKSPACE_*` variables and their siblings; what is missing is "". `created`: the
 * command meets a directory that no provision has finished yet.
 */
export function workspaceVariables(
  prefix: string,
  workspace: WorkspaceFacts,
  created: boolean,
): Record<string, string> {
  const path = workspace.worktreePath || workspace.cwd;
  const variables = {
    WORKSPACE_CWD: path,
    WORKSPACE_PATH: path,
    WORKSPACE_WORKTREE_PATH: path,
    WORKSPACE_BRANCH: workspace.branchName,
    WORKSPACE_BASE_CWD: workspace.baseCwd,
    WORKSPACE_REPO_ROOT: workspace.repoRoot,
    WORKSPACE_SOURCE: workspace.source.toLowerCase(),
    WORKSPACE_REPO_REF: workspace.repoRef,
    WORKSPACE_REPO_URL: workspace.repoUrl,
    WORKSPACE_CREATED: String(created),
    PROJECT_ID: workspace.projectId,
    PROJECT_WORKSPACE_ID: workspace.projectWorkspaceId,
    AGENT_ID: workspace.agent?.agentId ?? "",
    AGENT_NAME: workspace.agent?.name ?? "",
    COMPANY_ID: workspace.companyId,
    ISSUE_ID: workspace.issue?.issueId ?? "",
    ISSUE_IDENTIFIER: workspace.issue?.identifier ?? "",
    ISSUE_TITLE: workspace.issue?.title ?? "",
  };
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [
      `${prefix}${name}`,
      // Ids and titles are callers' text: a NUL cannot stand in an environment.
      value.replaceAll("\0", ""),
    ]),
  );
}
