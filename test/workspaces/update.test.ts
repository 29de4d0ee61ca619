import { describe, expect, it } from "vitest";
import type { WorkspaceChanges } from "../../src/workspaces/workspaces.ts";
import { issue, startWithRepository, worktree } from "./fixture.ts";

const signal = new AbortController().signal;

async function startRealized() {
  const runtime = await startWithRepository();
  const { workspace } = await runtime.realize({ ...worktree(runtime.repo), issue: issue(1) });
  const { workspaceId } = workspace;
  const update = (changes: WorkspaceChanges, expectedRevision = 0, runId = "") =>
    runtime.workspaces.update(
      { workspaceId, changes, expectedRevision, actor: { runId, userId: "ann" } },
      signal,
    );
  return { ...runtime, workspace, update };
}

const web = { name: "web", process: { kind: "command", command: "pnpm dev" } } as const;

describe("an update of a workspace", () => {
  it("changes what it names, leaves the rest, and makes no revision of equal content", async () => {
    const { update, workspace } = await startRealized();
    const changed = await update({
      name: "New",
      labels: { a: "1" },
      runtimeConfig: { services: [web] },
      desiredState: "MANUAL",
      serviceStates: { web: "STOPPED" },
      gitWorktree: { provisionCommand: "npm ci", provisionPolicy: "ON_CREATE" },
    });
    expect(changed).toMatchObject({
      ...workspace,
      name: "New",
      labels: { a: "1" },
      runtimeConfig: { services: [web] },
      desiredState: "MANUAL",
      serviceStates: { web: "STOPPED" },
      gitWorktree: { provisionCommand: "npm ci", provisionPolicy: "ON_CREATE" },
      revision: changed.revision,
      updateTime: changed.updateTime,
    });
    expect(await update({ name: "New" })).toEqual(changed);
  });

  it("empties what is named without a value", async () => {
    const { update } = await startRealized();
    await update({
      runtimeConfig: { services: [web] },
      gitWorktree: { cleanupCommand: "x", teardownCommand: "y", provisionPolicy: "ALWAYS" },
    });
    const emptied = await update({
      name: "",
      runtimeConfig: null,
      gitWorktree: { cleanupCommand: "", provisionPolicy: undefined },
    });
    expect(emptied.runtimeConfig).toBeUndefined();
    expect(emptied).toMatchObject({ name: "", gitWorktree: { teardownCommand: "y" } });
    expect(Object.keys(emptied.gitWorktree ?? {})).toEqual(["teardownCommand"]);
  });

  it("lets the orchestrator's marks go over into each other", async () => {
    const { update } = await startRealized();
    for (const state of ["IDLE", "IN_REVIEW", "ACTIVE", "IN_REVIEW"] as const) {
      expect(await update({ state })).toMatchObject({ state });
    }
  });

  it("is refused to one who has not seen the workspace as it is", async () => {
    const { update, workspace } = await startRealized();
    const { revision } = await update({ name: "Seen" }, workspace.revision);
    await expect(update({ name: "Late" }, workspace.revision)).rejects.toMatchObject({
      reason: "STALE_REVISION",
      metadata: { revision: String(revision) },
    });
  });

  it("refuses specs that cannot work, an unknown workspace, and a worktree's commands without one", async () => {
    const { update, workspaces, realize, directory } = await startRealized();
    await expect(update({ runtimeConfig: { services: [{ name: "web" }] } })).rejects.toMatchObject({
      violations: [{ field: "workspace.runtime_config.services[0].command" }],
    });
    const to = (workspaceId: string) =>
      workspaces.update(
        { workspaceId, changes: { gitWorktree: { cleanupCommand: "x" } }, expectedRevision: 0 },
        signal,
      );
    await expect(to("nowhere")).rejects.toMatchObject({ reason: "WORKSPACE_NOT_FOUND" });
    const primary = await realize({ baseCwd: directory });
    await expect(to(primary.workspace.workspaceId)).rejects.toMatchObject({
      reason: "WORKSPACE_CONFLICT",
      metadata: { field: "strategy" },
    });
  });

  it("takes its turn after a realize that is under way, whose answer does not undo it", async () => {
    const { repo, realize, workspaces, workspace } = await startRealized();
    const { workspaceId } = workspace;
    const slow = realize({
      workspaceId,
      ...worktree(repo, { provisionCommand: "sleep 0.5" }),
      noWait: true,
    });
    expect((await slow).workspace.state).toBe("PROVISIONING");
    const updated = await workspaces.update(
      { workspaceId, changes: { name: "Kept", state: "IDLE" }, expectedRevision: 0 },
      signal,
    );
    expect(updated).toMatchObject({ name: "Kept", state: "IDLE" });
    expect(await workspaces.get(workspaceId)).toEqual(updated);
  });
});

describe("archiving by an update", () => {
  it("is a mark that only RestoreWorkspace takes back", async () => {
    const { update, realize, workspace } = await startRealized();
    expect(await update({ state: "ARCHIVED" })).toMatchObject({ state: "ARCHIVED" });
    expect(await update({ state: "ARCHIVED" })).toMatchObject({ state: "ARCHIVED" });
    for (const state of ["ACTIVE", "IDLE", "IN_REVIEW"] as const) {
      await expect(update({ state })).rejects.toMatchObject({ reason: "WORKSPACE_ARCHIVED" });
    }
    await expect(realize({ workspaceId: workspace.workspaceId })).rejects.toMatchObject({
      reason: "WORKSPACE_ARCHIVED",
    });
    expect(await update({ labels: { closed: "yes" } })).toMatchObject({ state: "ARCHIVED" });
  });

  it("needs that no other run holds the workspace", async () => {
    const { update, realize, workspace } = await startRealized();
    const { workspaceId } = workspace;
    await realize({ workspaceId, runId: "run-1" });
    const refused = { reason: "WORKSPACE_LEASED", metadata: { holder_run_ids: "run-1" } };
    await expect(update({ state: "ARCHIVED" })).rejects.toMatchObject(refused);
    await expect(update({ state: "ARCHIVED" }, 0, "run-2")).rejects.toMatchObject(refused);
    expect(await update({ state: "ARCHIVED" }, 0, "run-1")).toMatchObject({ state: "ARCHIVED" });
  });

  it("is open to a workspace that failed, which is no way to call it ready", async () => {
    const { realize, repo, workspaces, store } = await startRealized();
    await realize({
      ...worktree(repo, { provisionCommand: "exit 3" }),
      issue: issue(2),
    }).catch(() => {});
    const failed = (await store.workspaces.listLive("c")).find(({ state }) => state === "FAILED");
    const to = (state: "ACTIVE" | "ARCHIVED") =>
      workspaces.update(
        { workspaceId: failed?.workspaceId ?? "", changes: { state }, expectedRevision: 0 },
        signal,
      );
    await expect(to("ACTIVE")).rejects.toMatchObject({
      reason: "WORKSPACE_CONFLICT",
      metadata: { field: "state" },
    });
    expect(await to("ARCHIVED")).toMatchObject({ state: "ARCHIVED" });
  });
});
