import { invalidField, type RuntimeError } from "../errors.ts";
import type { Git } from "../git/git.ts";
import { isValidBranchName } from "../git/refs.ts";
import type { AgentRef, IssueRef } from "../model/workspace.ts";
import { renderTemplate } from "../templates/render.ts";
import { fallbackName, slug } from "../templates/slug.ts";

export const DEFAULT_BRANCH_TEMPLATE = "{{issue.identifier}}-{{slug}}";

/** The template's path in a request: what a refused branch name is told of. */
export const BRANCH_TEMPLATE_FIELD = "git_worktree.branch_template";

const LONGEST_BRANCH_NAME = 120;

export interface BranchVariables {
  readonly workspaceId: string;
  readonly projectId: string;
  readonly repoRef: string;
  readonly issue?: IssueRef;
  readonly agent?: AgentRef;
}

/**
 * The branch that a template names for this work, cleaned. Throws INVALID_TEMPLATE, and
 * INVALID_BRANCH_NAME for one that would lead its directory astray.
 */
export function renderBranchName(template: string, variables: BranchVariables): string {
  const { issue, agent, workspaceId } = variables;
  const fallback = fallbackName(issue?.issueId ?? "", workspaceId);
  // A title all in another script would leave every issue the same name: each gets its own.
  const telling = (text = "") => (text !== "" && cleanBranchName(text) === "" ? fallback : text);
  const rendered = renderTemplate(
    template || DEFAULT_BRANCH_TEMPLATE,
    {
      issue: {
        id: telling(issue?.issueId),
        identifier: telling(issue?.identifier),
        title: telling(issue?.title),
      },
      agent: { id: agent?.agentId, name: agent?.name },
      project: { id: variables.projectId },
      workspace: { repoRef: variables.repoRef },
      slug: slug(issue, workspaceId),
    },
    BRANCH_TEMPLATE_FIELD,
  );
  const branch = cleanBranchName(rendered) || fallback;
  if (branch.split("/").some((part) => part === "" || part.startsWith("."))) {
    throw invalidBranchName(branch);
  }
  return branch;
}

/** What git takes as a branch's name. Throws INVALID_BRANCH_NAME. */
export async function checkBranchName(git: Git, cwd: string, branch: string): Promise<void> {
  if (!(await isValidBranchName(git, cwd, branch))) throw invalidBranchName(branch);
}

function invalidBranchName(branch: string): RuntimeError {
  const description = `"${branch}" is no name for a branch`;
  return invalidField(BRANCH_TEMPLATE_FIELD, description, "INVALID_BRANCH_NAME");
}

/** `text` reduced to `[A-Za-z0-9._/-]`, at most 120 characters. May be "". */
export function cleanBranchName(text: string): string {
  const dashed = text
    .trim()
    .replace(/[^A-Za-z0-9._/-]+/g, "-")
    .replace(/-+/g, "-");
  return strip(strip(dashed).slice(0, LONGEST_BRANCH_NAME));
}

function strip(name: string): string {
  return name.replace(/^[-/.]+|[-/.]+$/g, "");
}
