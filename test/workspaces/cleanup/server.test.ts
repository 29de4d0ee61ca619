import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  ScopeType,
  ServiceState,
  StateReason,
} from "../../../gen/workspace/runtime/v1/service_pb.ts";
import {
  CloseReadiness,
  DirtyPolicy,
  WorkspaceState,
} from "../../../gen/workspace/runtime/v1/workspace_pb.ts";
import { createRepository, git, temporaryDirectory } from "../../git/fixture.ts";
import { startServer } from "../../support/server.ts";
import { isAlive, shellService } from "../../support/workspace.ts";

describe("cleanup through the server", { timeout: 90_000 }, () => {
  it("stops the workspace's services and no others, removes, lists, restores, forgets", async () => {
    const repo = createRepository(join(temporaryDirectory(), "repo"));
    const server = await startServer();
    onTestFinished(() => server.stop());
    const { client } = server;
    const realize = async (number: number) => {
      const { workspace } = await client.realizeWorkspace({
        companyId: "c",
        projectId: "p",
        baseCwd: repo,
        agent: { agentId: "a", name: "Ada" },
        issue: { issueId: `${number}`, identifier: `PAP-${number}`, title: "Fix" },
        runId: `run-${number}`,
        strategy: { case: "gitWorktree", value: {} },
      });
      if (workspace === undefined) throw new Error("no workspace in the answer");
      return workspace;
    };
    const [mine, sibling] = [await realize(1), await realize(11)];
    const own = { reuseScope: ScopeType.EXECUTION_WORKSPACE };
    const started = await Promise.all([
      client.startServices({
        target: { case: "workspaceId", value: mine.workspaceId },
        services: [
          shellService("own", "exec sleep 1000", own),
          shellService("inside", "exec sleep 1001"),
          shellService("outside", "exec sleep 1002", { cwd: repo }),
        ],
      }),
      client.startServices({
        target: { case: "workspaceId", value: sibling.workspaceId },
        services: [shellService("own", "exec sleep 1003", own)],
      }),
    ]);
    const pids = started.flatMap(({ services }) =>
      services.map(({ providerRef }) => Number(providerRef)),
    );
    expect(pids.map(isAlive)).toEqual([true, true, true, true]);

    const { workspaceId, cwd } = mine;
    await expect(client.cleanupWorkspace({ workspaceId })).rejects.toMatchObject({
      code: Code.FailedPrecondition,
      rawMessage: expect.stringContaining("run-1"),
    });
    const actor = { runId: "run-1" };
    writeFileSync(join(cwd, "work"), "1");
    const plan = await client.cleanupWorkspace({ workspaceId, dryRun: true, actor });
    expect(plan).toMatchObject({
      ready: CloseReadiness.READY_WITH_WARNINGS,
      warnings: ["The workspace has 1 untracked file."],
      runIds: ["run-1"],
      git: { dirtyFiles: 0, untrackedFiles: 1, merged: true, isPrimary: false },
    });
    expect(plan.plannedActions.map(({ kind }) => kind)).toEqual([
      "stop_services",
      "rescue",
      "git_worktree_remove",
      "git_branch_delete",
    ]);
    expect(plan.services.map(({ serviceName }) => serviceName).sort()).toEqual(["inside", "own"]);
    const refused = await client
      .cleanupWorkspace({ workspaceId, onDirty: DirtyPolicy.REFUSE, actor })
      .catch(ConnectError.from);
    expect(refused).toMatchObject({ code: Code.FailedPrecondition });
    expect(pids.map(isAlive)).toEqual([true, true, true, true]);

    const cleaned = await client.cleanupWorkspace({ workspaceId, actor });
    expect(cleaned).toMatchObject({
      cleaned: true,
      cleanedPath: cwd,
      workspace: { state: WorkspaceState.ARCHIVED, rescueRef: cleaned.rescueRef },
    });
    expect(cleaned.operations.every((operation) => operation.actor?.runId === "run-1")).toBe(true);
    for (const service of cleaned.services) {
      expect(service).toMatchObject({
        state: ServiceState.STOPPED,
        stateReason: StateReason.WORKSPACE_ARCHIVED,
      });
    }
    expect(pids.map(isAlive)).toEqual([false, false, true, true]);
    expect(existsSync(cwd)).toBe(false);
    expect(existsSync(sibling.cwd)).toBe(true);
    expect((await client.listLeases({ workspaceIds: [workspaceId] })).leases).toEqual([]);

    const { rescues, cursor } = await client.listRescues({ workspaceId });
    expect(rescues).toMatchObject([
      { ref: cleaned.rescueRef, workspaceId, companyId: "c", changedFiles: 1 },
    ]);
    expect(cursor).not.toBe("");
    const restored = await client.restoreWorkspace({ workspaceId });
    expect(restored.workspace).toMatchObject({ created: true, state: WorkspaceState.ACTIVE, cwd });
    expect(git(cwd, "status", "--porcelain")).toBe("?? work");
    const expected = { ref: cleaned.rescueRef, workspaceId };
    expect(await client.deleteRescue(expected)).toMatchObject({ rescue: expected });
    await expect(client.deleteRescue(expected)).rejects.toMatchObject({
      code: Code.InvalidArgument,
    });
  });
});
