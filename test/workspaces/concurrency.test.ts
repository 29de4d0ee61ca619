import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { git } from "../git/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { issue, startWithRepository, worktree } from "./fixture.ts";

describe("realizes at once", () => {
  it("of one issue make one workspace and one worktree, provisioned once, created by one", async () => {
    const { realize, repo, directory, store } = await startWithRepository();
    const provisionCommand = `echo once >>'${join(directory, "ran")}'`;
    const results = await Promise.all(
      Array.from({ length: 5 }, (_, index) =>
        realize({
          ...worktree(repo, { provisionCommand }),
          issue: issue(1),
          runId: `run-${index}`,
          agent: { agentId: `a-${index}`, name: `Agent ${index}` },
          commandEnv: { TOKEN: String(index) },
        }),
      ),
    );
    expect(new Set(results.map(({ workspace }) => workspace.workspaceId)).size).toBe(1);
    expect(results.filter(({ created }) => created)).toHaveLength(1);
    expect(readFileSync(join(directory, "ran"), "utf8")).toBe("once\n");
    expect(git(repo, "worktree", "list").split("\n")).toHaveLength(2);
    const [{ workspace }] = results as [(typeof results)[0]];
    const holders = await store.leases.holdersOfWorkspace(workspace.workspaceId);
    expect(holders.map(({ runId }) => runId).sort()).toEqual(
      [0, 1, 2, 3, 4].map((index) => `run-${index}`),
    );
    expect(results.map(({ lease }) => lease?.runId)).toEqual(
      [0, 1, 2, 3, 4].map((index) => `run-${index}`),
    );
  });

  it("of twenty issues in one repository make twenty worktrees without a lock error", async () => {
    const { realize, repo } = await startWithRepository();
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        realize({ ...worktree(repo), issue: issue(index % 16) }),
      ),
    );
    expect(new Set(results.map(({ workspace }) => workspace.cwd)).size).toBe(16);
    expect(results.filter(({ created }) => created)).toHaveLength(16);
    expect(git(repo, "worktree", "list").split("\n")).toHaveLength(17);
  });

  it("by id and without one take their turns in one worktree", async () => {
    const { realize, repo } = await startWithRepository();
    const [named, unnamed] = await Promise.allSettled([
      realize({ workspaceId: "w-1", ...worktree(repo), issue: issue(1) }),
      realize({ ...worktree(repo), issue: issue(1) }),
    ]);
    const outcomes = [named, unnamed].map((result) =>
      result.status === "fulfilled" ? result.value.workspace.workspaceId : result.reason.reason,
    );
    expect([
      ["w-1", "w-1"],
      ["WORKTREE_IN_USE", outcomes[1]],
    ]).toContainEqual(outcomes);
    expect(git(repo, "worktree", "list").split("\n")).toHaveLength(2);
  });

  it("of branches that cannot be together: one is made, the other told why", async () => {
    const { realize, repo } = await startWithRepository();
    const results = await Promise.allSettled([
      realize({ ...worktree(repo, { branchTemplate: "release" }), issue: issue(1) }),
      realize({ ...worktree(repo, { branchTemplate: "release/x" }), issue: issue(2) }),
    ]);
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused).toHaveLength(1);
    expect(refused[0]?.reason).toMatchObject({
      reason: expect.stringMatching(/^(BRANCH_CONFLICT|PATH_NOT_ALLOWED|WORKTREE_PATH_OCCUPIED)$/),
    });
  });
});

describe("a caller that goes away", () => {
  it("is answered at once; what it began goes on and the same call joins it", async () => {
    const { realize, repo, directory, store } = await startWithRepository();
    const go = join(directory, "go");
    const ran = join(directory, "ran");
    const provisionCommand = `echo ran >>'${ran}'; while ! [ -e '${go}' ]; do sleep 0.01; done`;
    const request = { ...worktree(repo, { provisionCommand }), issue: issue(1) };
    const leaving = new AbortController();
    const first = realize(request, leaving.signal);
    await eventually(() => readFileSync(ran, "utf8") === "ran\n");
    leaving.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
    const second = realize({ ...request, runId: "run-2" });
    // Leased: it has found the workspace and now waits for what the first began.
    await eventually(async () => (await store.leases.listByRun("run-2")).length === 1);
    git(directory, "init", "--quiet", "go");
    expect(await second).toMatchObject({ provisioned: true, workspace: { state: "ACTIVE" } });
    expect(readFileSync(ran, "utf8")).toBe("ran\n");
  });

  it("need not wait: no_wait answers PROVISIONING, and it comes to be", async () => {
    const { realize, repo, directory, workspaces } = await startWithRepository();
    const go = join(directory, "go");
    const provisionCommand = `while ! [ -e '${go}' ]; do sleep 0.01; done`;
    const { workspace, operations, created, lease } = await realize({
      ...worktree(repo, { provisionCommand }),
      issue: issue(1),
      runId: "run-1",
      noWait: true,
    });
    expect(workspace).toMatchObject({ state: "PROVISIONING", branchName: expect.any(String) });
    expect({ operations, created }).toEqual({ operations: [], created: false });
    expect(lease).toMatchObject({ runId: "run-1" });
    git(directory, "init", "--quiet", "go");
    await eventually(async () => (await workspaces.get(workspace.workspaceId)).state === "ACTIVE");
  });
});

describe("leases of a realize", () => {
  it("is refused EXCLUSIVE while another run holds the workspace, and changes nothing", async () => {
    const { realize, repo, workspaces } = await startWithRepository();
    const request = { ...worktree(repo), issue: issue(1) };
    const first = await realize({ ...request, runId: "run-1" });
    expect(first.lease).toMatchObject({
      runId: "run-1",
      mode: "SHARED",
      ttlMs: 86_400_000,
      serviceId: "",
      workspaceId: first.workspace.workspaceId,
    });
    const before = await workspaces.get(first.workspace.workspaceId);
    await expect(
      realize({ ...request, runId: "run-2", leaseMode: "EXCLUSIVE" }),
    ).rejects.toMatchObject({
      reason: "WORKSPACE_LEASED",
      metadata: { workspace_id: first.workspace.workspaceId, holder_run_ids: "run-1" },
    });
    expect(await workspaces.get(first.workspace.workspaceId)).toEqual(before);
    const own = await realize({
      ...request,
      runId: "run-1",
      leaseMode: "EXCLUSIVE",
      leaseTtlMs: 0,
    });
    expect(own.lease).toMatchObject({ mode: "EXCLUSIVE", ttlMs: 0, leaseId: first.lease?.leaseId });
    await expect(realize({ ...request, runId: "run-2" })).rejects.toMatchObject({
      reason: "WORKSPACE_LEASED",
    });
  });

  it("ends with RUN_RELEASED where the run is released meanwhile", async () => {
    const { realize, repo, directory, runs, workspaces } = await startWithRepository();
    const [go, began] = [join(directory, "go"), join(directory, "began")];
    const provisionCommand = `mkdir '${began}'; while ! [ -e '${go}' ]; do sleep 0.01; done`;
    const realizing = realize({
      ...worktree(repo, { provisionCommand }),
      issue: issue(1),
      runId: "run-1",
    });
    realizing.catch(() => {});
    await eventually(async () => {
      const [row] = (await workspaces.list(EVERY, { pageSize: 0, pageToken: "" })).items;
      return row?.state === "PROVISIONING";
    });
    await runs.release("run-1");
    await expect(realizing).rejects.toMatchObject({ reason: "RUN_RELEASED" });
    git(directory, "init", "--quiet", "go");
    await eventually(async () => {
      const [row] = (await workspaces.list(EVERY, { pageSize: 0, pageToken: "" })).items;
      return row?.state === "ACTIVE";
    });
  });
});

const EVERY = {
  companyId: "",
  projectId: "",
  projectWorkspaceIds: [],
  issueIds: [],
  states: [],
  labels: {},
};
