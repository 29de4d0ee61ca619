import { describe, expect, it } from "vitest";
import { databases } from "../support/databases.ts";
import { newClaim, newOperation, newService, newWorkspace } from "./new-records.ts";
import { useStore } from "./use-store.ts";

describe.each(databases)("transactions on $name", (database) => {
  const fixture = useStore(database);

  it("commits all or nothing, and uses no revision for nothing", async () => {
    const { store, commits } = fixture();
    const failed = store.transaction(async (tx) => {
      await tx.workspaces.insert(newWorkspace());
      await tx.leases.acquire(newClaim());
      throw new Error("changed its mind");
    });
    await expect(failed).rejects.toThrow("changed its mind");
    expect(await store.workspaces.get("w1")).toBeUndefined();
    expect(commits).toEqual([]);
    await store.workspaces.insert(newWorkspace());
    expect(commits.map(({ revision }) => revision)).toEqual([1]);
  });

  it("tells a commit's changes once, together, after it", async () => {
    const { open } = fixture();
    const told: number[][] = [];
    const store = await open({
      onCommit: (changes) => void told.push(changes.map(({ revision }) => revision)),
    });
    await store.transaction(async (tx) => {
      await tx.workspaces.insert(newWorkspace());
      await tx.operations.insert(newOperation());
      expect(told).toEqual([]);
    });
    await store.ports.reserve(4000, { ...owner, portName: "" }, "s1");
    expect(told).toEqual([[1, 2]]);
  });

  it("may change more than one statement can name values for", async () => {
    const { store, commits } = fixture();
    await store.transaction(async (tx) => {
      for (let i = 0; i < 5_000; i += 1) {
        await tx.operations.insert(newOperation({ operationId: `op-${i}` }));
      }
    });
    expect(commits).toHaveLength(5_000);
    expect(await store.changes.revision()).toBe(5_000);
  });

  it("sees its own writes", async () => {
    const { store } = fixture();
    await store.transaction(async (tx) => {
      await tx.services.insert(newService());
      await tx.leases.acquire(newClaim({ serviceId: "s1" }));
      expect(await tx.services.get("s1")).toMatchObject({ leaseRunIds: ["r1"] });
    });
  });

  it("refuses the store's own queries inside a transaction, which would wait for themselves", async () => {
    const { store } = fixture();
    await expect(store.transaction(() => store.workspaces.get("w1"))).rejects.toThrow(
      "inside its own transaction",
    );
    await expect(store.transaction(() => store.workspaces.insert(newWorkspace()))).rejects.toThrow(
      "inside its own transaction",
    );
    expect((await store.workspaces.insert(newWorkspace())).inserted).toBe(true);
  });

  it("lets a callback of a commit use the store", async () => {
    const { open } = fixture();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const store = await open({
      onCommit: () => resolve(store.workspaces.get("w1")),
    });
    await store.workspaces.insert(newWorkspace());
    expect(await promise).toMatchObject({ workspaceId: "w1" });
  });

  it("runs one transaction after the other, however many are asked for", async () => {
    const { store } = fixture();
    await store.services.insert(newService({ restartCount: 0 }));
    const increments = Array.from({ length: 50 }, () =>
      store.transaction(async (tx) => {
        const service = await tx.services.get("s1");
        await tx.services.update("s1", { restartCount: (service?.restartCount ?? 0) + 1 });
      }),
    );
    await Promise.all(increments);
    expect(await store.services.get("s1")).toMatchObject({ restartCount: 50 });
  });

  it("takes up where the last server ended", async () => {
    const { store, open } = fixture();
    await store.workspaces.insert(newWorkspace());
    await store.close();
    const next = await open();
    expect(next.generation).toBe(store.generation);
    expect(await next.workspaces.get("w1")).toMatchObject({ revision: 1 });
    await next.workspaces.update("w1", { name: "other" });
    expect(await next.changes.revision()).toBe(2);
  });

  it("says that the store is away once it is closed", async () => {
    const { store } = fixture();
    await store.close();
    await expect(store.workspaces.get("w1")).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    await expect(store.workspaces.insert(newWorkspace())).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
    });
  });

  const owner = { companyId: "c1", scopeId: "x", serviceName: "web" };
});
