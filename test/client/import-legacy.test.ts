import { describe, expect, it } from "vitest";
import { DesiredState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import {
  WorkspaceSource,
  WorkspaceState,
  WorkspaceStrategy,
} from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { importRequestFromLegacy } from "../../src/client/import-legacy.ts";

const row = {
  id: "ew-1",
  companyId: "acme",
  projectId: "p-1",
  projectWorkspaceId: "pw-1",
  sourceIssueId: "issue-1",
  name: "SHOP-1",
  status: "in_review",
  mode: "isolated_workspace",
  strategyType: "git_worktree",
  cwd: "/srv/shop/.paperclip/worktrees/SHOP-1",
  repoUrl: null,
  baseRef: "origin/main",
  branchName: "SHOP-1",
  providerType: "git_worktree",
  providerRef: "/srv/shop/.paperclip/worktrees/SHOP-1",
  openedAt: "2026-01-01T00:00:00Z",
  config: {
    provisionCommand: "pnpm install",
    cleanupCommand: null,
    desiredState: "manual",
    serviceStates: { web: "stopped" },
    workspaceRuntime: { services: [{ name: "web", command: "pnpm dev" }] },
  },
  metadata: { source: "task_session", createdByRuntime: true, anything: { else: 1 } },
};

const problemsOf = (value: unknown) => {
  try {
    importRequestFromLegacy(value);
  } catch (error) {
    return (error as { problems: { path: string }[] }).problems.map(({ path }) => path);
  }
  return [];
};

describe("the import of an old row", () => {
  it("takes a git worktree over with its flags, commands and services", () => {
    const { workspace, dryRun } = importRequestFromLegacy(row);
    expect(dryRun).toBe(false);
    expect(workspace).toMatchObject({
      workspaceId: "ew-1",
      companyId: "acme",
      projectId: "p-1",
      projectWorkspaceId: "pw-1",
      name: "SHOP-1",
      issue: { issueId: "issue-1" },
      source: WorkspaceSource.TASK_SESSION,
      strategy: WorkspaceStrategy.GIT_WORKTREE,
      state: WorkspaceState.IN_REVIEW,
      baseCwd: "",
      cwd: "",
      worktreePath: "/srv/shop/.paperclip/worktrees/SHOP-1",
      branchName: "SHOP-1",
      repoUrl: "",
      baseRef: "origin/main",
      directoryCreated: true,
      branchCreated: true,
      gitWorktree: { provisionCommand: "pnpm install", cleanupCommand: "", teardownCommand: "" },
      runtimeConfig: { services: [{ name: "web" }] },
      desiredState: DesiredState.MANUAL,
      serviceStates: { web: DesiredState.STOPPED },
    });
  });

  it("takes a primary checkout over, with nothing of it made by anybody", () => {
    const { workspace } = importRequestFromLegacy({
      ...row,
      strategyType: "project_primary",
      cwd: "/srv/shop",
      providerRef: null,
      branchName: null,
    });
    expect(workspace).toMatchObject({
      strategy: WorkspaceStrategy.PROJECT_PRIMARY,
      baseCwd: "/srv/shop",
      cwd: "/srv/shop",
      worktreePath: "",
      directoryCreated: false,
      branchCreated: false,
    });
    expect(workspace?.gitWorktree).toBeUndefined();
  });

  it("needs little: id, company, strategy and a place; the base directory can be told", () => {
    const { id, companyId, strategyType, cwd } = row;
    const { workspace } = importRequestFromLegacy(
      { id, companyId, strategyType, cwd },
      { baseCwd: "/srv/shop" },
    );
    expect(workspace).toMatchObject({
      baseCwd: "/srv/shop",
      worktreePath: cwd,
      state: WorkspaceState.UNSPECIFIED,
      directoryCreated: false,
    });
    expect(workspace?.issue).toBeUndefined();
    expect(workspace?.runtimeConfig).toBeUndefined();
  });

  it("lets the branch's own flag win", () => {
    const metadata = { createdByRuntime: true, branchCreatedByRuntime: false };
    const { workspace } = importRequestFromLegacy({ ...row, metadata });
    expect(workspace).toMatchObject({ directoryCreated: true, branchCreated: false });
  });

  it("finds an older row's config in its metadata", () => {
    const { config, ...older } = row;
    const { workspace } = importRequestFromLegacy({ ...older, metadata: { config } });
    expect(workspace?.gitWorktree).toMatchObject({ provisionCommand: "pnpm install" });
  });

  it("names the path of each wrong type", () => {
    expect(problemsOf("row")).toContain("");
    expect(
      problemsOf({
        ...row,
        id: 7,
        companyId: "",
        strategyType: "cloud_sandbox",
        status: "lost",
        metadata: { createdByRuntime: "yes" },
        config: { ...row.config, workspaceRuntime: { services: [{ command: 3 }] } },
      }).sort(),
    ).toEqual([
      "companyId",
      "config.workspaceRuntime.services[0].command",
      "id",
      "metadata.createdByRuntime",
      "status",
      "strategyType",
    ]);
    expect(problemsOf({ ...row, cwd: null, providerRef: null })).toEqual(["cwd"]);
  });
});
