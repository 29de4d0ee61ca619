import { describe, expect, it } from "vitest";
import { quietRange } from "../../src/services/free-numbers.ts";
import type { ServicePlan } from "../../src/services/plan.ts";
import { createPorts, type PortsDependencies } from "../../src/services/ports.ts";
import { newService } from "../store/new-records.ts";
import { useStore } from "../store/use-store.ts";
import { databases } from "../support/databases.ts";

const [sqlite] = databases;

describe("the ports of services", () => {
  const fixture = useStore(sqlite as (typeof databases)[number]);
  const busy = new Set<number>();

  function ports(over: Partial<PortsDependencies> = {}) {
    busy.clear();
    return createPorts({
      store: fixture().store,
      range: { first: 4000, last: 4003 },
      isFree: async (port) => !busy.has(port),
      listenerPids: async (port) => (busy.has(port) ? [77] : []),
      serviceOf: () => undefined,
      adapterEnvOf: async () => undefined,
      ...over,
    });
  }

  function plan(name: string, asked: ServicePlan["ports"] = [{ name: "", envKey: "PORT" }]) {
    return {
      name,
      ports: asked,
      scope: { type: "PROJECT_WORKSPACE", id: "p1" },
      workspace: { companyId: "c1" },
      identity: { base: name, adapter: "", reuseKey: name },
      adapterEnv: {},
    } as unknown as ServicePlan;
  }

  const main = async (given: Promise<Readonly<Record<string, number>>>) => (await given)[""] ?? 0;

  it("stay an identity's own, life after life, and over a restart of the server", async () => {
    const before = ports();
    const first = await main(before.assign(plan("web"), "s1"));
    await main(before.assign(plan("api"), "s2"));
    before.giveBack("s1");
    expect(await main(before.assign(plan("web"), "s3"))).toBe(first);
    const after = ports();
    for (const name of ["x", "y"])
      expect(await main(after.assign(plan(name), name))).not.toBe(first);
    expect(await main(after.assign(plan("web"), "s4"))).toBe(first);
  });

  it("are never one number for two that live, also not for those adopted", async () => {
    const after = ports();
    after.take("adopted", { "": 4000, admin: 4001 });
    const given = await Promise.all(["a", "b"].map((name) => main(after.assign(plan(name), name))));
    expect(given.sort()).toEqual([4002, 4003]);
  });

  it("of a full range are taken back from what does not live, the longest unused first", async () => {
    const { clock } = fixture();
    const all = ports();
    const given = new Map<string, number>();
    for (const name of ["old", "older", "living", "new"]) {
      clock.advance(name === "older" ? 0 : 1000);
      given.set(name, await main(all.assign(plan(name), name)));
      if (name !== "living") all.giveBack(name);
    }
    clock.advance(1000);
    await all.assign(plan("old"), "old again");
    all.giveBack("old again");
    expect(await main(all.assign(plan("first"), "first"))).toBe(given.get("older"));
    expect(await main(all.assign(plan("second"), "second"))).toBe(given.get("new"));
    expect(await main(all.assign(plan("third"), "third"))).toBe(given.get("old"));
    await expect(all.assign(plan("fourth"), "fourth")).rejects.toMatchObject({
      reason: "PORT_RANGE_EXHAUSTED",
      message: expect.stringContaining("4000-4003"),
      metadata: { service_name: "fourth" },
    });
    all.giveBack("second");
    expect(await main(all.assign(plan("fourth"), "fourth"))).toBe(given.get("new"));
  });

  it("that somebody listens on are not given, nor those of a refused assignment kept", async () => {
    const some = ports();
    for (const port of [4000, 4001, 4002]) busy.add(port);
    const two: ServicePlan["ports"] = [
      { name: "", envKey: "PORT" },
      { name: "admin", envKey: "PORT_ADMIN" },
    ];
    await expect(some.assign(plan("greedy", two), "s1")).rejects.toThrow("no free port");
    expect(await main(some.assign(plan("modest"), "s2"))).toBe(4003);
  });

  it("move when they are to be avoided, and the others of the service stay", async () => {
    const some = ports();
    const asked: ServicePlan["ports"] = [
      { name: "", envKey: "PORT" },
      { name: "admin", envKey: "PORT_ADMIN" },
      { name: "fixed", envKey: "PORT_FIXED", fixed: 9999 },
    ];
    const before = await some.assign(plan("web", asked), "s1");
    busy.add(9999);
    const after = await some.assign(plan("web", asked), "s1", [before[""] ?? 0]);
    expect(after).toEqual({ ...before, "": expect.any(Number) });
    expect(after[""]).not.toBe(before[""]);
    expect(await main(some.assign(plan("next"), "s2"))).toBeGreaterThanOrEqual(4000);
  });

  it("are taken from where the system itself takes none for connections", () => {
    expect(quietRange({ first: 32_768, last: 60_999 })).toEqual({ first: 20_000, last: 32_767 });
    expect(quietRange({ first: 1_024, last: 60_999 })).toEqual({ first: 61_000, last: 65_535 });
    expect(quietRange({ first: 1_024, last: 65_000 })).toBeUndefined();
    expect(quietRange({ first: 49_152, last: 65_535 })).toEqual({ first: 20_000, last: 32_767 });
  });

  it("below 1024 are never chosen", async () => {
    const low = ports({ range: { first: 1020, last: 1024 } });
    expect(await main(low.assign(plan("a"), "a"))).toBe(1024);
    await expect(low.assign(plan("b"), "b")).rejects.toMatchObject({
      reason: "PORT_RANGE_EXHAUSTED",
    });
  });

  it("asked for by number and in use name who has it, within the company alone", async () => {
    const { store } = fixture();
    const env = { theirs: { TOKEN: "secret", SAME: "1" } as Record<string, string> };
    const some = ports({ adapterEnvOf: async (id) => env[id as "theirs"] });
    const asked: ServicePlan["ports"] = [{ name: "", envKey: "PORT", fixed: 9000 }];
    await store.services.insert(newService({ serviceId: "theirs", reuseKey: "web.1" }));
    await some.assign(plan("web", asked), "theirs");
    busy.add(9000);
    const mine = {
      ...plan("web", asked),
      identity: { base: "web", adapter: "2", reuseKey: "web.2" },
      adapterEnv: { TOKEN: "other", SAME: "1", MORE: "x" },
    };
    const error = await some.assign(mine, "mine").catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      reason: "PORT_IN_USE",
      metadata: { port: "9000", pid: "77", service_id: "theirs", differing_keys: "MORE,TOKEN" },
    });
    expect(String(error)).not.toContain("secret");
    expect(String(error)).not.toContain("other,");
    const stranger = { ...mine, workspace: { companyId: "c2" } } as unknown as ServicePlan;
    const blind = await some.assign(stranger, "stranger").catch((reason: unknown) => reason);
    expect(blind).toMatchObject({ metadata: { port: "9000", pid: "77" } });
    expect((blind as { metadata: object }).metadata).not.toHaveProperty("service_id");
  });
});
