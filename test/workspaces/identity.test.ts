import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createRepository } from "../git/fixture.ts";
import { issue, startWithRepository, startWorkspaces, worktree } from "./fixture.ts";

describe("a request for a known workspace", () => {
  it.each([
    ["company_id", { companyId: "other" }],
    ["base_cwd", { baseCwd: "/elsewhere" }],
    ["strategy", { strategy: { kind: "project_primary" as const } }],
    [
      "git_worktree.branch_template",
      {
        strategy: { kind: "git_worktree" as const, gitWorktree: { branchTemplate: "x-{{slug}}" } },
      },
    ],
  ])("is refused with another %s than stored", async (field, change) => {
    const { realize, repo } = await startWithRepository();
    const { workspace } = await realize({ ...worktree(repo), issue: issue(1) });
    const { workspaceId } = workspace;
    await expect(realize({ workspaceId, ...change })).rejects.toMatchObject({
      reason: "WORKSPACE_CONFLICT",
      metadata: { workspace_id: workspaceId, field },
    });
  });

  it("takes absent fields as the stored ones and present ones as new", async () => {
    const { realize, repo } = await startWithRepository();
    const first = await realize({
      ...worktree(repo, { provisionCommand: "true", copyFiles: [".env"] }),
      issue: issue(1),
      name: "one",
      labels: { a: "1" },
      repoUrl: "https://example.test/repo",
    });
    const { workspace } = await realize({
      workspaceId: first.workspace.workspaceId,
      companyId: "",
      ...worktree("", { provisionCommand: "false || true" }),
      name: "two",
    });
    expect(workspace).toMatchObject({
      companyId: "c",
      name: "two",
      labels: { a: "1" },
      repoUrl: "https://example.test/repo",
      issue: issue(1),
      gitWorktree: { provisionCommand: "false || true", copyFiles: [".env"] },
    });
  });

  it("keeps its branch when the issue's title changes", async () => {
    const { realize, repo } = await startWithRepository();
    const first = await realize({ ...worktree(repo), issue: issue(1) });
    const { workspace } = await realize({
      workspaceId: first.workspace.workspaceId,
      issue: issue(1, "Another title"),
    });
    expect(workspace.branchName).toBe(first.workspace.branchName);
    expect(workspace.issue?.title).toBe("Another title");
  });

  it("is refused once that is archived; without the id a new one is made", async () => {
    const { realize, directory, store } = await startWorkspaces();
    const { workspace } = await realize({ baseCwd: directory });
    await store.workspaces.update(workspace.workspaceId, { state: "ARCHIVED" });
    await expect(realize({ workspaceId: workspace.workspaceId })).rejects.toMatchObject({
      reason: "WORKSPACE_ARCHIVED",
      metadata: { workspace_id: workspace.workspaceId },
    });
    const again = await realize({ baseCwd: directory });
    expect(again.workspace.workspaceId).not.toBe(workspace.workspaceId);
  });
});

describe("a worktree that another live workspace has", () => {
  it("is not given to another workspace id of the company, which is told whose it is", async () => {
    const { realize, repo } = await startWithRepository();
    const first = await realize({ ...worktree(repo), issue: issue(1) });
    await expect(
      realize({ workspaceId: "w-2", ...worktree(repo), issue: issue(1) }),
    ).rejects.toMatchObject({
      reason: "WORKTREE_IN_USE",
      metadata: { workspace_id: first.workspace.workspaceId, path: first.workspace.cwd },
    });
  });

  it("is not given to another company, which is not told whose it is", async () => {
    const { realize, repo, workspaces } = await startWithRepository();
    const first = await realize({ ...worktree(repo), issue: issue(1) });
    const error = await realize({
      companyId: "other",
      ...worktree(repo),
      issue: issue(1),
    }).catch((e) => e);
    expect(error).toMatchObject({ reason: "WORKTREE_IN_USE" });
    expect(JSON.stringify([error.message, error.metadata])).not.toContain(
      first.workspace.workspaceId,
    );
    expect(await workspaces.get(first.workspace.workspaceId)).toEqual(first.workspace);
  });

  it("is not given to another issue whose branch renders alike", async () => {
    const { realize, repo } = await startWithRepository();
    const alike = worktree(repo, { branchTemplate: "{{slug}}" });
    await realize({ ...alike, issue: issue(1) });
    await expect(realize({ ...alike, issue: issue(2) })).rejects.toMatchObject({
      reason: "WORKTREE_IN_USE",
    });
  });
});

describe("a request for a new workspace", () => {
  it("is told every field that is missing, and makes nothing", async () => {
    const { realize, store } = await startWorkspaces();
    const { agent: _, ...request } = { companyId: "", agent: undefined };
    const error = await realize({ ...request, agent: { agentId: "", name: "" } }).catch((e) => e);
    expect(error.reason).toBe("INVALID_FIELD");
    expect(error.violations.map((violation: { field: string }) => violation.field)).toEqual([
      "company_id",
      "base_cwd",
      "agent.name",
    ]);
    expect(await store.workspaces.listLive("")).toEqual([]);
  });

  it.each([
    ["base_cwd", { baseCwd: "relative" }],
    ["workspace_id", { workspaceId: "a b" }],
    ["run_id", { runId: "x".repeat(201) }],
    ["command_env.NO-NAME", { commandEnv: { "NO-NAME": "1" } }],
    ["git_worktree.copy_files[1]", worktree("", { copyFiles: ["a", "../b"] })],
    ["git_worktree.provision_inputs[0]", worktree("", { provisionInputs: ["/etc/passwd"] })],
  ])("is told that %s is wrong", async (field, request) => {
    const { realize, directory } = await startWorkspaces();
    await expect(realize({ baseCwd: directory, ...request })).rejects.toMatchObject({
      reason: "INVALID_FIELD",
      violations: expect.arrayContaining([{ field, description: expect.any(String) }]),
    });
  });

  it("takes the id that it is given", async () => {
    const { realize, repo } = await startWithRepository();
    const request = { workspaceId: "my workspace".replace(" ", "-"), ...worktree(repo) };
    const { workspace } = await realize({ ...request, issue: issue(1) });
    expect(workspace.workspaceId).toBe("my-workspace");
  });

  it("keeps two repositories' equal branches apart", async () => {
    const { realize, repo, directory } = await startWithRepository();
    const other = createRepository(join(directory, "other"));
    const [one, two] = [
      await realize({ ...worktree(repo), issue: issue(1) }),
      await realize({ ...worktree(other), issue: issue(1) }),
    ];
    expect(one.workspace.workspaceId).not.toBe(two.workspace.workspaceId);
    expect(two.workspace.repoRoot).toBe(other);
  });
});
