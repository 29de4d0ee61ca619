import { describe, expect, it } from "vitest";
import { workspaceVariables } from "../../src/workspaces/command-env.ts";

const facts = {
  companyId: "c",
  projectId: "",
  projectWorkspaceId: "",
  source: "PROJECT_PRIMARY",
  cwd: "/base",
  worktreePath: "",
  branchName: "",
  baseCwd: "/base",
  repoRoot: "",
  repoRef: "",
  repoUrl: "",
} as const;

describe("workspaceVariables", () => {
  it("gives every name a value, an empty one where there is none", () => {
    const variables = workspaceVariables("X_", facts, false);
    expect(variables).toMatchObject({
      X_WORKSPACE_CWD: "/base",
      X_WORKSPACE_WORKTREE_PATH: "/base",
      X_WORKSPACE_SOURCE: "project_primary",
      X_WORKSPACE_CREATED: "false",
      X_ISSUE_TITLE: "",
      X_AGENT_NAME: "",
    });
    expect(Object.keys(variables)).toHaveLength(18);
  });

  it("passes no NUL on to an environment", () => {
    const issue = { issueId: "i", identifier: "", title: "a\0b" };
    expect(workspaceVariables("", { ...facts, issue }, true).ISSUE_TITLE).toBe("ab");
  });
});
