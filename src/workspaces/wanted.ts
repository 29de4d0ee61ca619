import { resolve } from "node:path";
import { RuntimeError } from "../errors.ts";
import type {
  GitWorktreeStrategy,
  IssueRef,
  Workspace,
  WorkspaceStrategy,
} from "../model/workspace.ts";
import { DEFAULT_BRANCH_TEMPLATE } from "./branch-name.ts";
import type { RealizeRequest } from "./workspaces.ts";

/** What a workspace is to be: the request over what is stored. */
export type Wanted = Pick<
  Workspace,
  | "companyId"
  | "projectId"
  | "projectWorkspaceId"
  | "name"
  | "baseCwd"
  | "source"
  | "strategy"
  | "repoUrl"
  | "repoRef"
  | "issue"
  | "agent"
  | "gitWorktree"
  | "runtimeConfig"
  | "labels"
>;

/** Absent fields of a request mean the stored ones. */
export function mergeRequest(request: RealizeRequest, stored: Workspace | undefined): Wanted {
  const strategy = requestedStrategy(request) ?? stored?.strategy ?? "PROJECT_PRIMARY";
  const issue = request.issue ?? stored?.issue;
  const agent = request.agent ?? stored?.agent;
  const runtimeConfig = request.runtimeConfig ?? stored?.runtimeConfig;
  return {
    companyId: stored?.companyId ?? request.companyId,
    projectId: request.projectId || (stored?.projectId ?? ""),
    projectWorkspaceId: request.projectWorkspaceId || (stored?.projectWorkspaceId ?? ""),
    name: request.name || stored?.name || nameOfIssue(issue),
    baseCwd: stored?.baseCwd ?? resolve(request.baseCwd),
    source: request.source ?? stored?.source ?? "PROJECT_PRIMARY",
    strategy,
    repoUrl: request.repoUrl || (stored?.repoUrl ?? ""),
    repoRef: request.repoRef || (stored?.repoRef ?? ""),
    ...(issue === undefined ? {} : { issue }),
    ...(agent === undefined ? {} : { agent }),
    ...(strategy === "GIT_WORKTREE"
      ? { gitWorktree: mergeStrategy(request, stored?.gitWorktree ?? {}) }
      : {}),
    ...(runtimeConfig === undefined ? {} : { runtimeConfig }),
    labels: Object.keys(request.labels).length > 0 ? request.labels : (stored?.labels ?? {}),
  };
}

function nameOfIssue(issue: IssueRef | undefined): string {
  return [issue?.identifier, issue?.title].filter((part) => part).join(" ");
}

function requestedStrategy({ strategy }: RealizeRequest): WorkspaceStrategy | undefined {
  if (strategy === undefined) return undefined;
  return strategy.kind === "git_worktree" ? "GIT_WORKTREE" : "PROJECT_PRIMARY";
}

/** Within a strategy too: an empty text, an empty list and `false` are absent. */
function mergeStrategy(
  { strategy }: RealizeRequest,
  stored: GitWorktreeStrategy,
): GitWorktreeStrategy {
  if (strategy?.kind !== "git_worktree") return stored;
  const given = Object.entries(strategy.gitWorktree).filter(
    ([, value]) =>
      value !== undefined &&
      value !== "" &&
      value !== false &&
      !(Array.isArray(value) && value.length === 0),
  );
  return { ...stored, ...Object.fromEntries(given) };
}

/**
 * A request that names a known workspace must mean that one. Throws WORKSPACE_CONFLICT naming the
 * field, WORKSPACE_ARCHIVED.
 */
export function refuseConflicts(request: RealizeRequest, stored: Workspace): void {
  const { workspaceId } = stored;
  const conflict = (field: string) => {
    const message = `workspace "${workspaceId}" was made with another ${field}`;
    return new RuntimeError("WORKSPACE_CONFLICT", message, {
      metadata: { workspace_id: workspaceId, field },
    });
  };
  if (request.companyId !== "" && request.companyId !== stored.companyId) {
    throw conflict("company_id");
  }
  if (request.baseCwd !== "" && resolve(request.baseCwd) !== stored.baseCwd) {
    throw conflict("base_cwd");
  }
  if ((requestedStrategy(request) ?? stored.strategy) !== stored.strategy) {
    throw conflict("strategy");
  }
  const template =
    request.strategy?.kind === "git_worktree" ? request.strategy.gitWorktree.branchTemplate : "";
  const storedTemplate = stored.gitWorktree?.branchTemplate || DEFAULT_BRANCH_TEMPLATE;
  if (template && template !== storedTemplate) throw conflict("git_worktree.branch_template");
  if (stored.state === "ARCHIVED") {
    const message = `workspace "${workspaceId}" is archived: RestoreWorkspace brings it back`;
    throw new RuntimeError("WORKSPACE_ARCHIVED", message, {
      metadata: { workspace_id: workspaceId },
    });
  }
}
