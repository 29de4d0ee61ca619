import { describe, expect, it } from "vitest";
import { databases } from "../support/databases.ts";
import { newClaim, newOperation, newService, newWorkspace } from "./new-records.ts";
import { useStore } from "./use-store.ts";

const ofRun = { actor: { runId: "r1", userId: "" } };

describe.each(databases)("what writes logs of a run or workspace, $name", (database) => {
  const fixture = useStore(database);
  const run = { kind: "run", runId: "r1" } as const;
  const workspace = { kind: "workspace", workspaceId: "w1" } as const;
  const all = { after: "", operationIds: [], serviceIds: [] };

  it("is a run's operations, and the services that it leases or started", async () => {
    const { store, clock } = fixture();
    await store.operations.insert(newOperation({ operationId: "o1", ...ofRun }));
    await store.operations.insert(newOperation({ operationId: "o2" }));
    await store.services.insert(newService({ serviceId: "started", startedByRunId: "r1" }));
    await store.services.insert(newService({ serviceId: "leased" }));
    await store.services.insert(newService({ serviceId: "other" }));
    await store.leases.acquire(newClaim({ serviceId: "leased" }));
    await store.leases.acquire(newClaim({ serviceId: "other", runId: "r2" }));
    const found = await store.logMembers({ owner: run, ...all });
    expect(found.isKnown).toBe(true);
    expect(found.revision).toBe(await store.changes.revision());
    expect(found.operations).toEqual([
      { operationId: "o1", phase: "WORKSPACE_PROVISION", command: "pnpm install", isRunning: true },
    ]);
    expect(found.services.map(({ serviceId }) => serviceId).sort()).toEqual(["leased", "started"]);
    expect(found.leases.map(({ serviceId }) => serviceId)).toEqual(["leased"]);
    clock.advance(60_001);
    expect((await store.logMembers({ owner: run, ...all })).leases).toEqual([]);
  });

  it("leaves out what ended before an id, but not what is asked for", async () => {
    const { store } = fixture();
    for (const operationId of ["o1", "o2", "o3", "o4"]) {
      await store.operations.insert(newOperation({ operationId, ...ofRun }));
    }
    for (const operationId of ["o1", "o2", "o4"]) {
      await store.operations.update(operationId, { status: "FAILED", endTime: 7 });
    }
    await store.services.insert(newService({ serviceId: "s1", workspaceId: "w9" }));
    const asked = { after: "o35", operationIds: ["o1"], serviceIds: ["s1", "gone"] };
    const found = await store.logMembers({ owner: run, ...asked });
    expect(found.operations).toMatchObject([
      { operationId: "o1", isRunning: false, endTime: 7 },
      { operationId: "o3", isRunning: true },
      { operationId: "o4", isRunning: false },
    ]);
    expect(found.services.map(({ serviceId }) => serviceId)).toEqual(["s1"]);
    expect(found.isKnown).toBe(true);
  });

  it("is a workspace's own, and the services leased through it", async () => {
    const { store } = fixture();
    await store.workspaces.insert(newWorkspace());
    await store.operations.insert(newOperation({ operationId: "o1" }));
    await store.operations.insert(newOperation({ operationId: "o2", workspaceId: "w2" }));
    await store.services.insert(newService({ serviceId: "own" }));
    await store.services.insert(newService({ serviceId: "through", workspaceId: "w2" }));
    await store.leases.acquire(newClaim({ serviceId: "through" }));
    await store.leases.acquire(newClaim({ serviceId: "" }));
    const found = await store.logMembers({ owner: workspace, ...all });
    expect(found).toMatchObject({ isKnown: true, workspaceState: "ACTIVE" });
    expect(found.operations.map(({ operationId }) => operationId)).toEqual(["o1"]);
    expect(found.services.map(({ serviceId }) => serviceId)).toEqual(["own", "through"]);
    expect(found.leases).toHaveLength(2);
  });

  it("knows a run by any one thing, and none that has nothing", async () => {
    const { store } = fixture();
    expect((await store.logMembers({ owner: run, ...all })).isKnown).toBe(false);
    expect((await store.logMembers({ owner: workspace, ...all })).isKnown).toBe(false);
    await store.operations.insert(newOperation({ operationId: "o1", ...ofRun }));
    await store.operations.update("o1", { status: "SUCCEEDED", endTime: 1 });
    const found = await store.logMembers({ owner: run, ...all, after: "z" });
    expect(found).toMatchObject({ isKnown: true, operations: [] });
  });
});
