import { describe, expect, it } from "vitest";
import type { Operation } from "../../src/model/operation.ts";
import type { Page } from "../../src/model/page.ts";
import type { Workspace } from "../../src/model/workspace.ts";
import type { WorkspaceFilter } from "../../src/store/workspaces.ts";
import { databases } from "../support/databases.ts";
import {
  newClaim,
  newOperation,
  newProjectWorkspace,
  newService,
  newWorkspace,
  serviceFilter,
} from "./new-records.ts";
import { useStore } from "./use-store.ts";

const firstPage = { pageSize: 0, pageToken: "" };
const anyWorkspace: WorkspaceFilter = {
  companyId: "",
  projectId: "",
  projectWorkspaceIds: [],
  issueIds: [],
  states: [],
  labels: {},
};

describe.each(databases)("lists on $name", (database) => {
  const fixture = useStore(database);

  it("pages newest first, each once, also among equal times", async () => {
    const { store, clock } = fixture();
    for (let index = 0; index < 7; index++) {
      if (index % 3 === 0) clock.advance(1);
      await store.workspaces.insert(newWorkspace({ workspaceId: `w${index}` }));
    }
    const seen: Workspace[] = [];
    let pageToken = "";
    do {
      const page: Page<Workspace> = await store.workspaces.list(anyWorkspace, {
        pageSize: 2,
        pageToken,
      });
      expect(page.items.length).toBeLessThanOrEqual(2);
      expect(page.revision).toBe(7);
      seen.push(...page.items);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    const ids = seen.map(({ workspaceId }) => workspaceId);
    expect(ids).toEqual(["w6", "w5", "w4", "w3", "w2", "w1", "w0"]);
  });

  it("orders ids as bytes, whatever the locale", async () => {
    const { store } = fixture();
    for (const workspaceId of ["a", "B", "_", "ä"]) {
      await store.workspaces.insert(newWorkspace({ workspaceId }));
    }
    const { items } = await store.workspaces.list(anyWorkspace, firstPage);
    expect(items.map(({ workspaceId }) => workspaceId)).toEqual(["ä", "a", "_", "B"]);
  });

  it("gives 50 by default, 500 at most, and refuses a token of its own making", async () => {
    const { store } = fixture();
    await store.transaction(async (tx) => {
      for (let index = 0; index < 510; index++) {
        await tx.operations.insert(newOperation({ operationId: `o${index}` }));
      }
    });
    const all = { companyId: "", workspaceIds: [], runIds: [], statuses: [] };
    const sizeOf = async (pageSize: number) =>
      (await store.operations.list(all, { pageSize, pageToken: "" })).items.length;
    expect(await sizeOf(0)).toBe(50);
    expect(await sizeOf(1000)).toBe(500);
    for (const pageToken of ["x", "e30", Buffer.from('["1","w"]').toString("base64url")]) {
      await expect(store.operations.list(all, { pageSize: 1, pageToken })).rejects.toMatchObject({
        reason: "INVALID_FIELD",
        violations: [{ field: "page_token" }],
      });
    }
  });

  it("filters workspaces by every field", async () => {
    const { store } = fixture();
    const issue = { issueId: "i2", identifier: "", title: "" };
    const labels = { 'odd "key".$': "v", team: "blue" };
    await store.workspaces.insert(newWorkspace({ workspaceId: "w1" }));
    await store.workspaces.insert(
      newWorkspace({
        workspaceId: "w2",
        companyId: "c2",
        projectId: "p2",
        projectWorkspaceId: "pw2",
        state: "IDLE",
        issue,
        labels,
      }),
    );
    const filters: Partial<WorkspaceFilter>[] = [
      { companyId: "c2" },
      { projectId: "p2" },
      { projectWorkspaceIds: ["pw2", "pw3"] },
      { issueIds: ["i2"] },
      { states: ["IDLE", "FAILED"] },
      { labels },
      { labels: { team: "blue" } },
    ];
    for (const filter of filters) {
      const { items } = await store.workspaces.list({ ...anyWorkspace, ...filter }, firstPage);
      expect(items.map(({ workspaceId }) => workspaceId)).toEqual(["w2"]);
    }
    const none = { ...anyWorkspace, labels: { team: "red" } };
    expect((await store.workspaces.list(none, firstPage)).items).toEqual([]);
    const both = { ...anyWorkspace, companyId: "c2", states: ["ACTIVE"] } as const;
    expect((await store.workspaces.list(both, firstPage)).items).toEqual([]);
  });

  it("filters services by every field", async () => {
    const { store } = fixture();
    await store.services.insert(newService({ serviceId: "s1" }));
    await store.services.insert(
      newService({
        serviceId: "s2",
        companyId: "c2",
        projectId: "p2",
        projectWorkspaceId: "pw2",
        workspaceId: "w2",
        issueId: "i2",
        serviceName: "api",
        scopeType: "RUN",
        provider: "ADAPTER_MANAGED",
        state: "FAILED",
        startedByRunId: "r2",
      }),
    );
    const filters = [
      { companyId: "c2" },
      { projectId: "p2" },
      { projectWorkspaceIds: ["pw2"] },
      { workspaceIds: ["w2"] },
      { issueIds: ["i2"] },
      { runIds: ["r2"] },
      { serviceNames: ["api"] },
      { scopeTypes: ["RUN"] },
      { providers: ["ADAPTER_MANAGED"] },
      { states: ["FAILED"] },
    ] as const;
    for (const filter of filters) {
      const { items } = await store.services.list(serviceFilter(filter), firstPage);
      expect(items.map(({ serviceId }) => serviceId)).toEqual(["s2"]);
    }
  });

  it("finds the services that a run leases or started", async () => {
    const { store, clock } = fixture();
    await store.services.insert(newService({ serviceId: "s1", startedByRunId: "r1" }));
    await store.services.insert(newService({ serviceId: "s2" }));
    await store.services.insert(newService({ serviceId: "s3" }));
    await store.leases.acquire(newClaim({ runId: "r1", serviceId: "s2", ttlMs: 10 }));
    const idsOf = async () => {
      const { items } = await store.services.list(serviceFilter({ runIds: ["r1"] }), firstPage);
      return items.map(({ serviceId }) => serviceId).sort();
    };
    expect(await idsOf()).toEqual(["s1", "s2"]);
    clock.advance(10);
    expect(await idsOf()).toEqual(["s1"]);
  });

  it("shows the newest of each identity as current, before the states are looked at", async () => {
    const { store, clock } = fixture();
    const insert = async (over: Parameters<typeof newService>[0]) => {
      clock.advance(1);
      await store.services.insert(newService({ state: "STOPPED", ...over }));
    };
    await insert({ serviceId: "s1", reuseKey: "k", state: "FAILED" });
    await insert({ serviceId: "s2", reuseKey: "k", command: "another" });
    await insert({ serviceId: "s3", reuseKey: "", command: "a" });
    await insert({ serviceId: "s4", reuseKey: "", command: "a", state: "FAILED" });
    await insert({ serviceId: "s5", reuseKey: "", command: "b" });
    await insert({ serviceId: "s6", reuseKey: "k", companyId: "c2" });
    const currentOf = async (states: readonly "FAILED"[]) => {
      const filter = serviceFilter({ current: true, states });
      return (await store.services.list(filter, firstPage)).items.map((item) => item.serviceId);
    };
    expect(await currentOf([])).toEqual(["s6", "s5", "s4", "s2"]);
    expect(await currentOf(["FAILED"])).toEqual(["s4"]);
  });

  it("finds a node's local services by state", async () => {
    const { store, open } = fixture();
    await store.services.insert(newService({ serviceId: "s1", state: "STARTING" }));
    await store.services.insert(newService({ serviceId: "s2", state: "STOPPED" }));
    await store.services.insert(newService({ serviceId: "s3", provider: "ADAPTER_MANAGED" }));
    await (await open({ nodeId: "n2" })).services.insert(newService({ serviceId: "s4" }));
    const found = await store.services.listByStates("n1", ["STARTING", "RUNNING", "STOPPING"]);
    expect(found.map(({ serviceId }) => serviceId)).toEqual(["s1"]);
  });

  it("filters operations by workspace, status and run, with the unnamed ones of its workspaces", async () => {
    const { store, clock } = fixture();
    const actor = (runId: string) => ({ actor: { runId, userId: "" } });
    const operations = [
      newOperation({ operationId: "own", workspaceId: "w1", ...actor("r1") }),
      newOperation({ operationId: "unnamed-of-realized", workspaceId: "w1" }),
      newOperation({ operationId: "other-of-realized", workspaceId: "w1", ...actor("r2") }),
      newOperation({ operationId: "unnamed-of-leased", workspaceId: "w2", status: "FAILED" }),
      newOperation({ operationId: "unnamed-elsewhere", workspaceId: "w3", companyId: "c2" }),
      newOperation({ operationId: "unnamed-nowhere", workspaceId: "" }),
    ];
    for (const operation of operations) {
      await store.operations.insert({ ...operation, startTime: clock.now() });
      clock.advance(1);
    }
    await store.leases.acquire(newClaim({ runId: "r1", workspaceId: "w2" }));
    const idsOf = async (over: object) => {
      const all = { companyId: "", workspaceIds: [], runIds: [], statuses: [] };
      const page: Page<Operation> = await store.operations.list({ ...all, ...over }, firstPage);
      return page.items.map(({ operationId }) => operationId).reverse();
    };
    expect(await idsOf({ runIds: ["r1"] })).toEqual([
      "own",
      "unnamed-of-realized",
      "unnamed-of-leased",
    ]);
    expect(await idsOf({ statuses: ["FAILED"] })).toEqual(["unnamed-of-leased"]);
    expect(await idsOf({ workspaceIds: ["w3"] })).toEqual(["unnamed-elsewhere"]);
    expect(await idsOf({ companyId: "c2" })).toEqual(["unnamed-elsewhere"]);
    expect(await store.operations.listRunning("n1")).toHaveLength(5);
    expect(await store.operations.listRunning("n2")).toHaveLength(0);
  });

  it("filters project workspaces", async () => {
    const { store } = fixture();
    await store.projectWorkspaces.insert(newProjectWorkspace());
    const second = { projectWorkspaceId: "pw2", projectId: "p2", labels: { a: "b" } };
    await store.projectWorkspaces.insert(newProjectWorkspace(second));
    for (const over of [{ projectId: "p2" }, { labels: { a: "b" } }]) {
      const filter = { companyId: "c1", projectId: "", labels: {}, ...over };
      const { items } = await store.projectWorkspaces.list(filter, firstPage);
      expect(items.map((item) => item.projectWorkspaceId)).toEqual(["pw2"]);
    }
  });
});
