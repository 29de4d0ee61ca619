import { describe, expect, it } from "vitest";
import { databases } from "../support/databases.ts";
import { newClaim, newOperation, newService, newWorkspace } from "./new-records.ts";
import { useStore } from "./use-store.ts";

describe.each(databases)("what is garbage on $name", (database) => {
  const fixture = useStore(database);

  it("is a service that ended long ago, has a newer one of its identity and no lease", async () => {
    const { store, clock } = fixture();
    const now = clock.now();
    const over = { state: "STOPPED", reuseKey: "key", stopTime: now } as const;
    for (const serviceId of ["old", "leased", "recent", "newest"]) {
      await store.services.insert(newService({ ...over, serviceId }));
      clock.advance(10);
    }
    await store.services.update("recent", { stopTime: now + 1 });
    await store.services.insert(newService({ serviceId: "alone", ...over, reuseKey: "other" }));
    await store.services.insert(
      newService({ serviceId: "lives", state: "RUNNING", reuseKey: "key" }),
    );
    await store.services.insert(newService({ serviceId: "foreign", ...over, companyId: "c2" }));
    clock.advance(10);
    await store.services.insert(newService({ serviceId: "foreign2", ...over, companyId: "c2" }));
    await store.leases.acquire({ ...newClaim(), serviceId: "leased" });
    expect(await store.garbage.services("c1", now)).toEqual(["old", "newest"]);
    expect(await store.garbage.services("c1", now - 1)).toEqual([]);
    expect(await store.garbage.services("", now)).toEqual(["old", "newest", "foreign"]);
  });

  it("is an operation that ended long ago, never a running one, never another node's", async () => {
    const { store, clock, open } = fixture();
    const now = clock.now();
    const ended = { status: "SUCCEEDED", startTime: now, endTime: now } as const;
    await store.operations.insert(newOperation({ operationId: "old", ...ended }));
    await store.operations.insert(newOperation({ operationId: "new", ...ended, endTime: now + 1 }));
    await store.operations.insert(newOperation({ operationId: "runs" }));
    const other = await open({ nodeId: "n2" });
    await other.operations.insert(newOperation({ operationId: "theirs", ...ended }));
    expect(await store.garbage.operations("", now)).toEqual(["old"]);
    expect((await store.garbage.operationIds()).sort()).toEqual(["new", "old", "runs"]);
  });

  it("is a port of an archived workspace, of a run that is over, or of an identity that nobody knows", async () => {
    const { store, clock } = fixture();
    const now = clock.now();
    await store.workspaces.insert(newWorkspace({ workspaceId: "gone", state: "ARCHIVED" }));
    await store.workspaces.insert(newWorkspace({ workspaceId: "here", branchName: "b" }));
    const reserve = async (port: number, scopeId: string, serviceId: string) => {
      const owner = { companyId: "c1", scopeId, serviceName: "web", portName: "" };
      await store.ports.reserve(port, owner, serviceId);
    };
    const service = async (over: Parameters<typeof newService>[0]) => {
      await store.services.insert(newService({ serviceName: "web", ...over }));
    };
    const over = { state: "STOPPED", stopTime: now } as const;
    await service({ serviceId: "s1", reuseKey: "1", scopeId: "gone", ...over });
    await service({ serviceId: "s2", reuseKey: "2", scopeId: "here", ...over });
    await service({ serviceId: "s3", reuseKey: "3", scopeId: "run", scopeType: "RUN", ...over });
    await service({ serviceId: "s4", reuseKey: "4", scopeId: "gone", state: "RUNNING" });
    await reserve(1001, "gone", "s1");
    await reserve(1002, "here", "s2");
    await reserve(1003, "run", "s3");
    await reserve(1004, "nobody", "s9");
    expect(await store.garbage.ports("", now)).toEqual([1001, 1003, 1004]);
    expect(await store.garbage.ports("", now - 1)).toEqual([1001, 1004]);
    expect(await store.garbage.ports("c2", now)).toEqual([]);
    // The same owner, but alive.
    await store.ports.release(1001);
    await reserve(1001, "gone", "s4");
    expect(await store.garbage.ports("", now)).toEqual([1003, 1004]);
  });

  it("is the records of former instances", async () => {
    const { store } = fixture();
    await store.services.insert(newService({ serviceId: "s1", reuseKey: "1" }));
    await store.services.insert(newService({ serviceId: "s2", reuseKey: "2", instance: 3 }));
    expect(await store.garbage.restarted("")).toEqual([{ serviceId: "s2", instance: 3 }]);
    expect(await store.garbage.restarted("c2")).toEqual([]);
    expect((await store.garbage.serviceIds()).sort()).toEqual(["s1", "s2"]);
  });
});
