import { describe, expect, it } from "vitest";
import { databases } from "../support/databases.ts";
import { newClaim, newService } from "./new-records.ts";
import { useStore } from "./use-store.ts";

describe.each(databases)("leases on $name", (database) => {
  const fixture = useStore(database);

  it("renews the claim of the same run on the same thing, under one fencing token", async () => {
    const { store, clock } = fixture();
    const first = await store.leases.acquire(newClaim({ ttlMs: 100 }));
    clock.advance(50);
    const second = await store.leases.acquire(newClaim({ ttlMs: 200, mode: "EXCLUSIVE" }));
    expect(second).toStrictEqual({
      ...first,
      mode: "EXCLUSIVE",
      ttlMs: 200,
      renewTime: clock.now(),
      expireTime: clock.now() + 200,
      revision: first.revision + 1,
    });
    expect(await store.leases.listByRun("r1")).toStrictEqual([second]);
  });

  it("need not acquire again what was renewed within the last hundredth of its ttl, or second", async () => {
    const { store, clock } = fixture();
    const claim = newClaim({ ttlMs: 10_000, serviceId: "s1" });
    expect(await store.leases.standing(claim)).toBe(undefined);
    const lease = await store.leases.acquire(claim);
    clock.advance(100);
    expect(await store.leases.standing(claim)).toStrictEqual(lease);
    for (const other of [
      { ttlMs: 10_001 },
      { mode: "EXCLUSIVE" as const },
      { runId: "r2" },
      { workspaceId: "w2" },
      { serviceId: "" },
    ]) {
      expect(await store.leases.standing({ ...claim, ...other })).toBe(undefined);
    }
    clock.advance(1);
    expect(await store.leases.standing(claim)).toBe(undefined);

    const forever = newClaim({ ttlMs: 0, runId: "r3" });
    await store.leases.acquire(forever);
    clock.advance(1_000);
    expect(await store.leases.standing(forever)).toMatchObject({ runId: "r3" });
    clock.advance(1);
    expect(await store.leases.standing(forever)).toBe(undefined);
  });

  it("never expires with a ttl of 0, and can become so", async () => {
    const { store, clock } = fixture();
    await store.leases.acquire(newClaim({ ttlMs: 100 }));
    const forever = await store.leases.acquire(newClaim({ ttlMs: 0 }));
    expect(forever).not.toHaveProperty("expireTime");
    clock.advance(1e12);
    expect(await store.leases.holdersOfWorkspace("w1")).toStrictEqual([forever]);
  });

  it("gives every later lease a larger token, over expiry, deletion and restart", async () => {
    const { store, clock, open } = fixture();
    const tokens = [(await store.leases.acquire(newClaim({ ttlMs: 10 }))).fencingToken];
    clock.advance(10);
    tokens.push((await store.leases.acquire(newClaim())).fencingToken);
    await store.leases.deleteByRun("r1");
    tokens.push((await store.leases.acquire(newClaim())).fencingToken);
    await store.leases.deleteByRun("r1");
    const next = await open();
    tokens.push((await next.leases.acquire(newClaim({ runId: "r2" }))).fencingToken);
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
  });

  it("counts only live leases as holders", async () => {
    const { store, clock } = fixture();
    await store.leases.acquire(newClaim({ runId: "r1", ttlMs: 10 }));
    await store.leases.acquire(newClaim({ runId: "r2", ttlMs: 20 }));
    await store.leases.acquire(newClaim({ runId: "r3", serviceId: "s1" }));
    const holders = async () =>
      (await store.leases.holdersOfWorkspace("w1")).map(({ runId }) => runId);
    expect(await holders()).toEqual(["r1", "r2"]);
    clock.advance(10);
    expect(await holders()).toEqual(["r2"]);
    expect((await store.leases.listExpired()).map(({ runId }) => runId)).toEqual(["r1"]);
  });

  it("shows the runs that hold a service on the service, in a revision of its own", async () => {
    const { store, clock, commits } = fixture();
    await store.services.insert(newService());
    clock.advance(5);
    await store.leases.acquire(newClaim({ runId: "r2", serviceId: "s1" }));
    await store.leases.acquire(newClaim({ runId: "r1", serviceId: "s1" }));
    expect(commits.map(({ revision, kind }) => `${revision} ${kind}`)).toEqual([
      "1 SERVICE",
      "2 LEASE",
      "3 SERVICE",
      "4 LEASE",
      "5 SERVICE",
    ]);
    const held = await store.services.get("s1");
    expect(held).toMatchObject({ leaseRunIds: ["r1", "r2"], lastUsedTime: clock.now() });
    expect(commits.at(-1)?.resource).toStrictEqual(held);
    expect(commits.at(-1)?.previous).toMatchObject({ runIds: ["r2"] });
    await store.leases.deleteByRun("r2");
    expect(commits.slice(5).map(({ type, kind }) => `${type} ${kind}`)).toEqual([
      "DELETED LEASE",
      "UPSERTED SERVICE",
    ]);
    expect(commits.at(-1)?.resource).toMatchObject({ leaseRunIds: ["r1"], revision: 7 });
  });

  it("names a run once that holds a service through two workspaces", async () => {
    const { store } = fixture();
    await store.services.insert(newService());
    await store.leases.acquire(newClaim({ workspaceId: "w1", serviceId: "s1" }));
    await store.leases.acquire(newClaim({ workspaceId: "w2", serviceId: "s1" }));
    expect(await store.services.get("s1")).toMatchObject({ leaseRunIds: ["r1"] });
    expect(await store.leases.holdersOfService("s1")).toHaveLength(2);
  });

  it("leaves expired runs out of the service, and revises it when they are deleted", async () => {
    const { store, clock } = fixture();
    await store.services.insert(newService());
    const lease = await store.leases.acquire(newClaim({ serviceId: "s1", ttlMs: 10 }));
    clock.advance(10);
    expect(await store.services.get("s1")).toMatchObject({ leaseRunIds: [], revision: 3 });
    expect(await store.leases.delete(lease.leaseId)).toStrictEqual([lease]);
    expect(await store.services.get("s1")).toMatchObject({ leaseRunIds: [], revision: 5 });
  });

  it("keeps the runs on a service through changes of other fields", async () => {
    const { store, commits } = fixture();
    await store.services.insert(newService());
    await store.leases.acquire(newClaim({ serviceId: "s1" }));
    const updated = await store.services.update("s1", { state: "STOPPING" });
    expect(updated?.leaseRunIds).toEqual(["r1"]);
    expect(commits.at(-1)?.resource).toMatchObject({ leaseRunIds: ["r1"] });
  });

  it("renews all of a run's leases, for their own ttl or another", async () => {
    const { store, clock } = fixture();
    await store.leases.acquire(newClaim({ ttlMs: 100 }));
    await store.leases.acquire(newClaim({ serviceId: "s1", ttlMs: 200 }));
    await store.leases.acquire(newClaim({ workspaceId: "w2", ttlMs: 10 }));
    clock.advance(50);
    const own = await store.leases.renewRun("r1");
    expect(own.map(({ expireTime }) => (expireTime ?? 0) - clock.now()).sort()).toEqual([100, 200]);
    const given = await store.leases.renewRun("r1", 7);
    expect(given.map(({ ttlMs }) => ttlMs)).toEqual([7, 7]);
    expect(await store.leases.renewRun("r9")).toEqual([]);
  });

  it("gives every standing lease a full ttl anew, and knows when the next one ends", async () => {
    const { store, clock } = fixture();
    await store.leases.acquire(newClaim({ runId: "r1", ttlMs: 100 }));
    await store.leases.acquire(newClaim({ runId: "r2", ttlMs: 10 }));
    await store.leases.acquire(newClaim({ runId: "r3", ttlMs: 0 }));
    clock.advance(50);
    await store.leases.renewAll();
    const live = await store.leases.listLive("");
    expect(live.map(({ runId, expireTime }) => [runId, expireTime])).toEqual([
      ["r1", clock.now() + 100],
      ["r2", clock.now() + 10],
      ["r3", undefined],
    ]);
    expect(await store.leases.nextExpiry()).toBe(clock.now() + 10);
  });

  it("deletes by service, by workspace and by run", async () => {
    const { store } = fixture();
    const claims = [
      newClaim({ runId: "r1", workspaceId: "w1", serviceId: "s1" }),
      newClaim({ runId: "r1", workspaceId: "w2" }),
      newClaim({ runId: "r2", workspaceId: "w1" }),
      newClaim({ runId: "r2", workspaceId: "w2" }),
    ];
    for (const claim of claims) await store.leases.acquire(claim);
    expect(await store.leases.deleteByService("s1")).toHaveLength(1);
    expect(await store.leases.deleteByWorkspace("w1")).toHaveLength(1);
    expect(await store.leases.deleteByRun("r1")).toHaveLength(1);
    expect(await store.leases.listLive("c1")).toMatchObject([{ runId: "r2", workspaceId: "w2" }]);
  });

  it("lets one of two runs take an exclusive lease, when each asks first in its transaction", async () => {
    const { store, open } = fixture();
    // A SQLite has one server; a PostgreSQL may have several.
    const stores = database.name === "SQLite" ? [store] : [store, await open()];
    const takes = stores.flatMap((each, server) =>
      Array.from({ length: 5 }, (_, index) =>
        each.transaction(async (tx) => {
          if ((await tx.leases.holdersOfWorkspace("w1")).length > 0) return false;
          await tx.leases.acquire(newClaim({ runId: `r${server}${index}`, mode: "EXCLUSIVE" }));
          return true;
        }),
      ),
    );
    expect((await Promise.all(takes)).filter(Boolean)).toHaveLength(1);
  });

  it("lists live leases by every field", async () => {
    const { store, clock } = fixture();
    const other = { companyId: "c2", runId: "r2", workspaceId: "w2", serviceId: "s2" };
    await store.leases.acquire(newClaim());
    await store.leases.acquire(newClaim({ ...other, ttlMs: 10 }));
    const all = { companyId: "", runIds: [], serviceIds: [], workspaceIds: [] };
    const page = { pageSize: 0, pageToken: "" };
    const filters = [
      { companyId: "c2" },
      { runIds: ["r2"] },
      { serviceIds: ["s2"] },
      { workspaceIds: ["w2"] },
    ];
    for (const filter of filters) {
      const { items } = await store.leases.list({ ...all, ...filter }, page);
      expect(items).toMatchObject([other]);
    }
    clock.advance(10);
    expect((await store.leases.list(all, page)).items).toMatchObject([{ runId: "r1" }]);
  });
});
