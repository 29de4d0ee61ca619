import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createFailpoints, FAILPOINTS, type FailpointName } from "../../src/failpoints.ts";
import { cloneRepository, commitFile, createRepository, git } from "../git/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { issue, startWorkspaces, worktree } from "./fixture.ts";

/** Those that only a realize of what is there comes by, and what stands before them. */
const later: Partial<Record<FailpointName, (place: Place) => void>> = {
  "realize.reuse-recorded": () => {},
  "realize.fast-forwarded": ({ origin, clone }) => {
    commitFile(origin, "newer", "1");
    git(clone, "fetch", "--quiet");
  },
  "realize.switched-back": ({ path }) => {
    git(path, "switch", "--quiet", "--create", "astray");
  },
  "realize.registration-forgotten": ({ path }) => rmSync(path, { recursive: true }),
  "realize.unfinished-removed": ({ clone, path }) => {
    writeFileSync(join(clone, ".git/worktrees/PAP-1-fix-the-login-form/locked"), "initializing");
    rmSync(join(path, "README.md"));
  },
};

interface Place {
  readonly origin: string;
  readonly clone: string;
  readonly path: string;
}

// Nothing of ours can fail between a process and the watch over it.
const points = FAILPOINTS.filter(
  (name) => /^(realize|operation)\./.test(name) && name !== "operation.spawned",
);

describe("a fault in a realize, at", () => {
  it.each(points)("%s, is told, and the next realize makes it good", async (point) => {
    const failpoints = createFailpoints(`${point}=error(1)`);
    const calm = createFailpoints();
    let armed = false;
    const { realize, directory, store, workspaces } = await startWorkspaces(
      {},
      { hit: (name) => (armed ? failpoints : calm).hit(name) },
    );
    const origin = createRepository(join(directory, "origin"));
    const clone = cloneRepository(origin, join(directory, "clone"));
    const request = {
      ...worktree(clone, { provisionCommand: "true", fetchBase: true, copyFiles: [".env"] }),
      issue: issue(1),
      runId: "run-1",
    };
    const path = join(clone, ".paperclip/worktrees/PAP-1-fix-the-login-form");
    const prepare = later[point];
    if (prepare !== undefined) {
      const { workspace } = await realize(request);
      if (point === "realize.unfinished-removed") {
        await store.workspaces.update(workspace.workspaceId, { state: "PROVISIONING" });
      }
      prepare({ origin, clone, path });
    }
    armed = true;
    await expect(realize(request)).rejects.toThrow(`failpoint ${point}`);
    // Without its lease the caller is refused, and what it began goes on.
    await eventually(async () => {
      const rows = await store.workspaces.listLive("");
      return rows.every(({ state }) => state === "ACTIVE" || state === "FAILED");
    });

    const { workspace } = await realize(request);
    expect(workspace).toMatchObject({ state: "ACTIVE", cwd: path, directoryCreated: true });
    expect(git(path, "symbolic-ref", "--short", "HEAD")).toBe(workspace.branchName);
    expect(git(path, "status", "--porcelain")).toBe("");
    expect(existsSync(join(path, "README.md"))).toBe(true);
    expect(git(clone, "worktree", "list").split("\n")).toHaveLength(2);
    expect(await workspaces.list(EVERY, { pageSize: 0, pageToken: "" })).toMatchObject({
      items: [{ workspaceId: workspace.workspaceId }],
    });
    expect(await store.operations.listRunning("node-1")).toEqual([]);
    expect(await store.leases.listByRun("run-1")).toHaveLength(1);
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
