import { createHash } from "node:crypto";
import type { IssueRef } from "../model/workspace.ts";

/**
 * A short name for an issue: its title, else its identifier, else its id, whichever is the first to
 * leave anything in lower-case Latin letters, digits, `_` and `-`. Without an issue `run-<hash of the
 * workspace id>`.
 */
export function slug(issue: IssueRef | undefined, workspaceId: string): string {
  if (issue === undefined) return `run-${shortHash(workspaceId)}`;
  for (const text of [issue.title, issue.identifier, issue.issueId]) {
    const slugged = slugText(text);
    if (slugged !== "") return slugged;
  }
  return fallbackName(issue.issueId, workspaceId);
}

/** `text` reduced to `[a-z0-9_-]`: each other run becomes one `-`. May be "". */
export function slugText(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/-+/g, "-")
    .replace(/^[-_]+|[-_]+$/g, "");
}

/** The name of work whose own texts leave nothing: one for each issue, so two never meet by accident. */
export function fallbackName(issueId: string, workspaceId: string): string {
  return `paperclip-work-${shortHash(issueId || workspaceId)}`;
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}
