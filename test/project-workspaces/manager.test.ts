import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createSystemClock } from "../../src/clock.ts";
import type { ProjectWorkspace } from "../../src/model/project-workspace.ts";
import { createProjectWorkspaces } from "../../src/project-workspaces/manager.ts";
import { openStore } from "../../src/store/store.ts";
import { createAllowedRoots } from "../../src/workspaces/allowed-roots.ts";
import { temporaryDirectory } from "../git/fixture.ts";
import { newService, newWorkspace } from "../store/new-records.ts";

async function start() {
  const directory = temporaryDirectory();
  const store = await openStore({
    database: { kind: "sqlite", path: join(directory, "store.db") },
    nodeId: "node-1",
    clock: createSystemClock(),
  });
  onTestFinished(() => store.close());
  const projectWorkspaces = createProjectWorkspaces({
    store,
    allowedRoots: createAllowedRoots([directory]),
  });
  const put = (over: Partial<ProjectWorkspace> = {}, expectedRevision = 0) =>
    projectWorkspaces.put({
      projectWorkspace: record(join(directory, "shop"), over),
      expectedRevision,
    });
  return { directory, store, projectWorkspaces, put };
}

function record(cwd: string, over: Partial<ProjectWorkspace>) {
  return {
    projectWorkspaceId: "pw-1",
    companyId: "c",
    projectId: "p",
    name: "Shop",
    cwd,
    repoUrl: "",
    repoRef: "main",
    cleanupCommand: "",
    serviceStates: {},
    labels: {},
    ...over,
  };
}

const web = { name: "web", process: { kind: "command", command: "pnpm dev" } } as const;

describe("a project workspace", () => {
  it("is put, read, listed and put again without a new revision", async () => {
    const { put, projectWorkspaces } = await start();
    const made = await put({ runtimeConfig: { services: [web] }, labels: { team: "a" } });
    expect(made).toMatchObject({ name: "Shop", runtimeConfig: { services: [web] } });
    expect(await put({ runtimeConfig: { services: [web] }, labels: { team: "a" } })).toEqual(made);
    expect(await projectWorkspaces.get("pw-1")).toEqual(made);
    const listed = (labels: Record<string, string>) =>
      projectWorkspaces
        .list({ companyId: "c", projectId: "p", labels }, { pageSize: 0, pageToken: "" })
        .then(({ items }) => items.length);
    expect([await listed({ team: "a" }), await listed({ team: "b" })]).toEqual([1, 0]);
  });

  it("gets an id where the caller gives none", async () => {
    const { put } = await start();
    const { projectWorkspaceId } = await put({ projectWorkspaceId: "" });
    expect(projectWorkspaceId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("is replaced as a whole, but keeps a desired state that is not given", async () => {
    const { put } = await start();
    await put({
      desiredState: "RUNNING",
      cleanupCommand: "rm x",
      runtimeConfig: { services: [web] },
    });
    const after = await put({ name: "New" });
    expect(after).toMatchObject({ name: "New", desiredState: "RUNNING", cleanupCommand: "" });
    expect(after.runtimeConfig).toBeUndefined();
    expect(await put({ desiredState: "MANUAL" })).toMatchObject({ desiredState: "MANUAL" });
  });

  it("is not replaced by one who has not seen it as it is", async () => {
    const { put } = await start();
    const { revision } = await put();
    const seen = await put({ name: "Seen" }, revision);
    await expect(put({ name: "Late" }, revision)).rejects.toMatchObject({
      reason: "STALE_REVISION",
      metadata: { revision: String(seen.revision) },
    });
    await expect(put({ projectWorkspaceId: "pw-2" }, 9)).rejects.toMatchObject({
      reason: "STALE_REVISION",
      metadata: { revision: "0" },
    });
  });

  it("never goes over to another company", async () => {
    const { put } = await start();
    await put();
    await expect(put({ companyId: "other" })).rejects.toMatchObject({
      reason: "WORKSPACE_CONFLICT",
      metadata: { project_workspace_id: "pw-1", field: "company_id" },
    });
  });

  it("is refused with the paths of what is wrong", async () => {
    const { put } = await start();
    await expect(put({ companyId: "", cwd: "shop" })).rejects.toMatchObject({
      reason: "INVALID_FIELD",
      violations: [{ field: "project_workspace.company_id" }, { field: "project_workspace.cwd" }],
    });
    await expect(put({ runtimeConfig: { services: [{ name: "web" }] } })).rejects.toMatchObject({
      reason: "INVALID_FIELD",
      violations: [{ field: "project_workspace.runtime_config.services[0].command" }],
    });
    await expect(put({ cwd: "/usr/share" })).rejects.toMatchObject({ reason: "PATH_NOT_ALLOWED" });
  });

  it("is not forgotten while a live workspace or service is its own", async () => {
    const { put, store, projectWorkspaces } = await start();
    await put();
    const mine = { companyId: "c", projectWorkspaceId: "pw-1" };
    await store.workspaces.insert(newWorkspace({ workspaceId: "w-1", ...mine }));
    await store.workspaces.insert(newWorkspace({ workspaceId: "w-2", ...mine, companyId: "d" }));
    const inUse = (metadata: object) => ({ reason: "PROJECT_WORKSPACE_IN_USE", metadata });
    await expect(projectWorkspaces.delete("pw-1", 0)).rejects.toMatchObject(
      inUse({ workspace_id: "w-1" }),
    );
    await store.workspaces.update("w-1", { state: "ARCHIVED" });
    await store.services.insert(newService({ serviceId: "s-1", ...mine, state: "RUNNING" }));
    await expect(projectWorkspaces.delete("pw-1", 0)).rejects.toMatchObject(
      inUse({ service_id: "s-1" }),
    );
    await store.services.update("s-1", { state: "STOPPED" });
    await projectWorkspaces.delete("pw-1", 0);
    await expect(projectWorkspaces.get("pw-1")).rejects.toMatchObject({
      reason: "PROJECT_WORKSPACE_NOT_FOUND",
    });
    await expect(projectWorkspaces.delete("pw-1", 0)).rejects.toMatchObject({
      reason: "PROJECT_WORKSPACE_NOT_FOUND",
    });
  });

  it("is not forgotten by one who has not seen it as it is", async () => {
    const { put, projectWorkspaces } = await start();
    const { revision } = await put();
    await expect(projectWorkspaces.delete("pw-1", revision + 1)).rejects.toMatchObject({
      reason: "STALE_REVISION",
      metadata: { revision: String(revision) },
    });
    await projectWorkspaces.delete("pw-1", revision);
  });
});
