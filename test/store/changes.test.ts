import { describe, expect, it } from "vitest";
import { databases } from "../support/databases.ts";
import {
  newClaim,
  newOperation,
  newProjectWorkspace,
  newService,
  newWorkspace,
} from "./new-records.ts";
import { useStore } from "./use-store.ts";

describe.each(databases)("changes on $name", (database) => {
  const fixture = useStore(database);

  it("replays what a commit told, to the letter", async () => {
    const { store, commits } = fixture();
    await store.projectWorkspaces.insert(newProjectWorkspace());
    await store.workspaces.insert(newWorkspace());
    await store.services.insert(
      newService({ diagnosis: { reason: "x", outputTail: "\0\ud83d\ude00" } }),
    );
    await store.leases.acquire(newClaim({ serviceId: "s1" }));
    await store.operations.insert(newOperation({ stdoutExcerpt: "a\0b" }));
    await store.operations.update("o1", { status: "SUCCEEDED" });
    await store.leases.deleteByRun("r1");
    await store.workspaces.delete("w1");
    expect(await store.changes.since(0, 100)).toStrictEqual(commits);
    expect(commits.map(({ revision }) => revision)).toEqual(commits.map((_, index) => index + 1));
  });

  it("goes on from any revision, as far as asked", async () => {
    const { store } = fixture();
    for (let index = 0; index < 5; index++) {
      await store.operations.insert(newOperation({ operationId: `o${index}` }));
    }
    const revisionsOf = async (from: number, limit: number) =>
      (await store.changes.since(from, limit))?.map(({ revision }) => revision);
    expect(await revisionsOf(2, 2)).toEqual([3, 4]);
    expect(await revisionsOf(5, 2)).toEqual([]);
    expect(await revisionsOf(6, 2)).toBeUndefined();
  });

  it("says what a resource was about before it changed", async () => {
    const { store, commits } = fixture();
    await store.workspaces.insert(newWorkspace());
    await store.workspaces.update("w1", { projectWorkspaceId: "pw2" });
    expect(commits[0]).not.toHaveProperty("previous");
    expect(commits[1]?.previous).toEqual({
      companyId: "c1",
      projectWorkspaceId: "pw1",
      workspaceId: "w1",
      serviceIds: [],
      runIds: [],
    });
  });

  it("reads what is live, of one company or of all, as of one revision", async () => {
    const { store, clock } = fixture();
    await store.projectWorkspaces.insert(newProjectWorkspace());
    await store.workspaces.insert(newWorkspace({ workspaceId: "w1" }));
    await store.workspaces.insert(newWorkspace({ workspaceId: "w2", state: "ARCHIVED" }));
    await store.workspaces.insert(newWorkspace({ workspaceId: "w3", companyId: "c2" }));
    await store.services.insert(newService({ serviceId: "s1", reuseKey: "k", state: "STOPPED" }));
    clock.advance(1);
    await store.services.insert(newService({ serviceId: "s2", reuseKey: "k", state: "FAILED" }));
    await store.operations.insert(newOperation({ operationId: "o1" }));
    await store.operations.insert(newOperation({ operationId: "o2", status: "SUCCEEDED" }));
    await store.leases.acquire(newClaim({ runId: "r1" }));
    await store.leases.acquire(newClaim({ runId: "r2", ttlMs: 1 }));
    clock.advance(1);
    const live = await store.liveResources("c1");
    expect(live.revision).toBe(await store.changes.revision());
    expect(live.resources.map(({ kind }) => kind)).toEqual([
      "PROJECT_WORKSPACE",
      "WORKSPACE",
      "SERVICE",
      "OPERATION",
      "LEASE",
    ]);
    expect((await store.liveResources("")).resources).toHaveLength(6);
    expect((await store.liveResources("c3")).resources).toEqual([]);
  });
});

describe.each(databases)("the changes kept on $name", (database) => {
  const fixture = useStore(database, { retainedChanges: 100 });

  it("are the newest, and the older ones are said to be gone", async () => {
    const { store } = fixture();
    await store.operations.insert(newOperation());
    for (let index = 0; index < 450; index += 50) {
      await store.transaction(async (tx) => {
        for (let step = 0; step < 50; step++) {
          await tx.operations.update("o1", { message: `${index + step}` });
        }
      });
    }
    const newest = await store.changes.revision();
    const oldest = await store.changes.oldestRevision();
    expect(newest).toBe(451);
    expect(newest - oldest).toBeGreaterThanOrEqual(100);
    expect(newest - oldest).toBeLessThan(400);
    expect(await store.changes.since(oldest - 2, 10)).toBeUndefined();
    expect((await store.changes.since(oldest - 1, 1000))?.length).toBe(newest - oldest + 1);
  });

  it("begin after the newest while there is none", async () => {
    expect(await fixture().store.changes.oldestRevision()).toBe(1);
  });
});
