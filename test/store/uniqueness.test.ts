import { describe, expect, it } from "vitest";
import { databases } from "../support/databases.ts";
import { newService, newWorkspace } from "./new-records.ts";
import { useStore } from "./use-store.ts";

describe.each(databases)("uniqueness on $name", (database) => {
  const fixture = useStore(database);
  const branch = { gitCommonDir: "/x/.git", branchName: "b" };

  it("lets one live service have a reuse key, and names the one in the way", async () => {
    const { store } = fixture();
    await store.services.insert(newService({ serviceId: "s1", reuseKey: "k" }));
    const second = await store.services.insert(newService({ serviceId: "s2", reuseKey: "k" }));
    expect(second).toMatchObject({ inserted: false, record: { serviceId: "s1" } });
    expect(await store.services.get("s2")).toBeUndefined();
    expect(await store.services.findLive("c1", "k")).toMatchObject({ serviceId: "s1" });
  });

  it("frees the key with the service's end", async () => {
    const { store } = fixture();
    await store.services.insert(newService({ serviceId: "s1", reuseKey: "k" }));
    for (const state of ["STARTING", "STOPPING", "BACKOFF"] as const) {
      await store.services.update("s1", { state });
      const refused = await store.services.insert(newService({ serviceId: "s2", reuseKey: "k" }));
      expect(refused.inserted).toBe(false);
    }
    await store.services.update("s1", { state: "FAILED" });
    const second = await store.services.insert(newService({ serviceId: "s2", reuseKey: "k" }));
    expect(second.inserted).toBe(true);
  });

  it("keeps companies, adapters' services and services without a key apart", async () => {
    const { store } = fixture();
    const inserts = [
      newService({ serviceId: "s1", reuseKey: "k" }),
      newService({ serviceId: "s2", reuseKey: "k", companyId: "c2" }),
      newService({ serviceId: "s3", reuseKey: "k", provider: "ADAPTER_MANAGED" }),
      newService({ serviceId: "s4", reuseKey: "" }),
      newService({ serviceId: "s5", reuseKey: "" }),
    ];
    for (const insert of inserts) {
      expect((await store.services.insert(insert)).inserted).toBe(true);
    }
  });

  it("never lets a service back to life beside its successor", async () => {
    const { store } = fixture();
    await store.services.insert(newService({ serviceId: "s1", reuseKey: "k", state: "STOPPED" }));
    await store.services.insert(newService({ serviceId: "s2", reuseKey: "k" }));
    await expect(store.services.update("s1", { state: "RUNNING" })).rejects.toThrow(/unique/i);
    expect(await store.services.get("s1")).toMatchObject({ state: "STOPPED" });
    expect(await store.changes.revision()).toBe(2);
  });

  it("inserts one of a hundred concurrent services of one key", async () => {
    const { store } = fixture();
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        store.services.insert(newService({ serviceId: `s${index}`, reuseKey: "k" })),
      ),
    );
    expect(results.filter(({ inserted }) => inserted)).toHaveLength(1);
    expect(new Set(results.map(({ record }) => record.serviceId)).size).toBe(1);
  });

  it("lets one live worktree have a branch of a repository", async () => {
    const { store } = fixture();
    await store.workspaces.insert(newWorkspace({ workspaceId: "w1", ...branch }));
    const second = await store.workspaces.insert(newWorkspace({ workspaceId: "w2", ...branch }));
    expect(second).toMatchObject({ inserted: false, record: { workspaceId: "w1" } });
    await store.workspaces.update("w1", { state: "ARCHIVED" });
    const third = await store.workspaces.insert(newWorkspace({ workspaceId: "w3", ...branch }));
    expect(third.inserted).toBe(true);
  });

  it("keeps primary checkouts, companies and archived workspaces apart", async () => {
    const { store } = fixture();
    const inserts = [
      newWorkspace({ workspaceId: "w1", ...branch }),
      newWorkspace({ workspaceId: "w2", ...branch, companyId: "c2" }),
      newWorkspace({ workspaceId: "w3", ...branch, strategy: "PROJECT_PRIMARY" }),
      newWorkspace({ workspaceId: "w4", ...branch, state: "ARCHIVED" }),
    ];
    for (const insert of inserts) {
      expect((await store.workspaces.insert(insert)).inserted).toBe(true);
    }
  });

  it("finds a live workspace by what makes it the same", async () => {
    const { store } = fixture();
    await store.workspaces.insert(newWorkspace({ workspaceId: "w1", ...branch }));
    const primary = { strategy: "PROJECT_PRIMARY", baseCwd: "/x/p" } as const;
    const issue = { issueId: "i1", identifier: "", title: "" };
    await store.workspaces.insert(newWorkspace({ workspaceId: "w2", ...primary, issue }));
    await store.workspaces.insert(newWorkspace({ workspaceId: "w3", ...primary }));
    const idOf = async (identity: Parameters<typeof store.workspaces.findLive>[0]) =>
      (await store.workspaces.findLive(identity))?.workspaceId;
    const companyId = "c1";
    expect(await idOf({ strategy: "GIT_WORKTREE", companyId, ...branch })).toBe("w1");
    expect(await idOf({ ...primary, companyId, issueId: "i1" })).toBe("w2");
    expect(await idOf({ ...primary, companyId, issueId: "" })).toBe("w3");
    expect(await idOf({ ...primary, companyId: "c2", issueId: "" })).toBeUndefined();
    await store.workspaces.update("w2", { state: "ARCHIVED" });
    expect(await idOf({ ...primary, companyId, issueId: "i1" })).toBeUndefined();
  });

  it("finds live workspaces by their worktree, whatever the company", async () => {
    const { store } = fixture();
    const inserts = [
      newWorkspace({ workspaceId: "w1", worktreePath: "/t" }),
      newWorkspace({ workspaceId: "w2", worktreePath: "/t", companyId: "c2" }),
      newWorkspace({ workspaceId: "w3", worktreePath: "/t", state: "ARCHIVED" }),
      newWorkspace({ workspaceId: "w4", worktreePath: "/t/below" }),
    ];
    for (const insert of inserts) await store.workspaces.insert(insert);
    const found = await store.workspaces.listLiveByWorktreePath("/t");
    expect(found.map(({ workspaceId }) => workspaceId).sort()).toEqual(["w1", "w2"]);
  });

  it("gives a port to one owner of a node, and an owner one port", async () => {
    const { store, open } = fixture();
    const owner = { companyId: "c1", scopeId: "x", serviceName: "web", portName: "" };
    const other = { ...owner, serviceName: "api" };
    const ofRun = { companyId: "c1", workspaceId: "w1", scopeType: "RUN" } as const;
    expect((await store.ports.reserve(4000, owner, "s1")).inserted).toBe(true);
    expect(await store.ports.reserve(4000, other, "s2")).toMatchObject({
      inserted: false,
      record: { serviceName: "web" },
    });
    expect((await store.ports.reserve(4000, owner, "s3")).inserted).toBe(true);
    expect((await store.ports.reserve(4001, owner, "s3")).inserted).toBe(true);
    expect(await store.ports.find(owner)).toMatchObject({ port: 4001, serviceId: "s3" });
    expect(await store.ports.findHolder(4000)).toBeUndefined();
    const elsewhere = await open({ nodeId: "n2" });
    expect((await elsewhere.ports.reserve(4001, other, "s4")).inserted).toBe(true);
    expect((await store.ports.list()).map(({ port }) => port)).toEqual([4001]);
    const { serviceId } = (await store.services.insert(newService({ ...ofRun, serviceId: "s5" })))
      .record;
    const project = { ...ofRun, scopeType: "PROJECT_WORKSPACE", reuseKey: "k6" } as const;
    await store.services.insert(newService({ ...project, serviceId: "s6" }));
    await store.ports.reserve(4002, { ...owner, scopeId: "run" }, serviceId);
    await store.ports.reserve(4003, { ...owner, scopeId: "w1" }, "gone");
    await store.ports.reserve(4004, { ...owner, scopeId: "p1" }, "s6");
    await store.ports.releaseWorkspace("c1", "w1");
    expect((await store.ports.list()).map(({ port }) => port)).toEqual([4001, 4004]);
    await store.ports.releaseScope("c1", "p1");
    await store.ports.releaseScope("c1", "x");
    expect(await store.ports.list()).toEqual([]);
    expect(await elsewhere.ports.list()).toHaveLength(1);
  });

  it("keeps the first result of a request for an hour", async () => {
    const { store, clock } = fixture();
    const key = { companyId: "c1", method: "StartServices", requestId: "q" };
    await store.requests.keep(key, '{"n":1}');
    await store.requests.keep(key, '{"n":2}');
    expect(await store.requests.find(key)).toBe('{"n":1}');
    expect(await store.requests.find({ ...key, method: "RestartServices" })).toBeUndefined();
    clock.advance(60 * 60 * 1000);
    expect(await store.requests.find(key)).toBeUndefined();
    await store.requests.keep(key, '{"n":3}');
    expect(await store.requests.find(key)).toBe('{"n":3}');
  });
});
