import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { WorkspaceState } from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { createSystemClock } from "../../src/clock.ts";
import { FAILPOINTS, type FailpointName } from "../../src/failpoints.ts";
import { openStore } from "../../src/store/store.ts";
import {
  cloneRepository,
  commitFile,
  createRepository,
  git,
  temporaryDirectory,
} from "../git/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive } from "../support/workspace.ts";

/** Realizes at which the point comes by; what stands before them is made without it. */
const paths: Partial<Record<FailpointName, (place: Place) => void>> = {
  "realize.reuse-recorded": () => {},
  "realize.fast-forwarded": ({ origin, clone }) => {
    commitFile(origin, "newer", "1");
    git(clone, "fetch", "--quiet");
  },
  "realize.switched-back": ({ worktree }) => {
    git(worktree, "switch", "--quiet", "--create", "astray");
  },
  "realize.registration-forgotten": ({ worktree }) => rmSync(worktree, { recursive: true }),
  "realize.unfinished-removed": ({ clone, worktree }) => {
    const entry = join(clone, ".git/worktrees/PAP-1-crash");
    writeFileSync(join(entry, "locked"), "initializing");
    rmSync(join(worktree, "README.md"));
  },
};

interface Place {
  readonly origin: string;
  readonly clone: string;
  readonly worktree: string;
}

const points = FAILPOINTS.filter((name) => /^(realize|operation)\./.test(name));

describe("the server killed in a realize, at", { timeout: 120_000 }, () => {
  it.each(points)("%s: the next realize finishes it", async (point) => {
    const directory = temporaryDirectory();
    const origin = createRepository(join(directory, "origin"));
    commitFile(origin, ".gitignore", ".env\n");
    const clone = cloneRepository(origin, join(directory, "clone"));
    writeFileSync(join(clone, ".env"), "A=1\n");
    const worktree = join(clone, ".paperclip/worktrees/PAP-1-crash");
    const dataDir = join(directory, "data");
    const provisioned = join(directory, "provisioned");
    const provisionCommand = `echo begun >>'${provisioned}'; echo done >>'${provisioned}'`;
    const realize = (server: TestServer) =>
      server.client.realizeWorkspace({
        companyId: "company",
        baseCwd: clone,
        agent: { agentId: "agent", name: "Agent" },
        issue: { issueId: "issue", identifier: "PAP-1", title: "Crash" },
        runId: "run",
        strategy: {
          case: "gitWorktree",
          value: { provisionCommand, fetchBase: true, copyFiles: [".env"] },
        },
      });

    const prepare = paths[point];
    if (prepare !== undefined) {
      const before = await startServer({ dataDir });
      const { workspace } = await realize(before);
      await before.kill("SIGTERM");
      if (point === "realize.unfinished-removed") {
        await leaveProvisioning(dataDir, workspace?.workspaceId ?? "");
      }
      prepare({ origin, clone, worktree });
    }

    const doomed = await startServer({
      dataDir,
      env: { WORKSPACE_RUNTIME_FAILPOINTS: `${point}=kill` },
    });
    await expect(realize(doomed)).rejects.toThrow();
    await eventually(() => !isAlive(doomed.pid));
    const after = await startServer({ dataDir });
    try {
      const { workspace } = await realize(after);
      expect(workspace).toMatchObject({
        state: WorkspaceState.ACTIVE,
        cwd: worktree,
        branchName: "PAP-1-crash",
        directoryCreated: true,
        branchCreated: true,
        baseRef: "origin/main",
        baseCommit: git(clone, "rev-parse", "origin/main"),
        warnings: prepare === paths["realize.switched-back"] ? expect.anything() : [],
      });
      expect(git(worktree, "symbolic-ref", "--short", "HEAD")).toBe("PAP-1-crash");
      expect(git(worktree, "rev-parse", "HEAD")).toBe(git(clone, "rev-parse", "origin/main"));
      expect(git(worktree, "status", "--porcelain")).toBe("");
      expect(readFileSync(join(worktree, ".env"), "utf8")).toBe("A=1\n");
      expect(readFileSync(provisioned, "utf8")).toMatch(/^(begun\ndone\n)+$/);
      expect(readdirSync(join(clone, ".git/worktrees"))).toEqual(["PAP-1-crash"]);
      expect(existsSync(join(clone, ".git/worktrees/PAP-1-crash/locked"))).toBe(false);
      const { workspaces } = await after.client.listWorkspaces({});
      expect(workspaces).toHaveLength(1);
      const { operations } = await after.client.listOperations({});
      expect(operations.filter(({ endTime }) => endTime === undefined)).toEqual([]);
      const { leases } = await after.client.listLeases({ runIds: ["run"] });
      expect(leases).toHaveLength(1);
    } finally {
      await after.stop();
    }
  });
});

/** As the row is while a worktree is being made. */
async function leaveProvisioning(dataDir: string, workspaceId: string): Promise<void> {
  const store = await openStore({
    database: { kind: "sqlite", path: join(dataDir, "store.db") },
    nodeId: readFileSync(join(dataDir, "installation-id"), "utf8").trim(),
    clock: createSystemClock(),
  });
  await store.workspaces.update(workspaceId, { state: "PROVISIONING", provisionPending: true });
  await store.close();
}
