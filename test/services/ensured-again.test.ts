import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AdapterEnvMode, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  isAlive,
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

describe("an ensure that comes again before anything has changed", () => {
  let server: TestServer;
  let workspace: TestWorkspace;
  beforeAll(async () => {
    server = await startServer();
    workspace = await realizePrimary(server);
  });
  afterAll(async () => {
    await server.stop();
    workspace.remove();
  });

  const ensure = (runId: string, services: SpecInit[], adapterEnv: Record<string, string> = {}) =>
    server.client.ensureServices({
      runId,
      workspaceId: workspace.workspaceId,
      services,
      adapterEnv,
    });
  const leasesOf = async (runId: string) =>
    (await server.client.listLeases({ runIds: [runId] })).leases.map(({ revision }) => revision);

  it("is answered as before, and changes nothing", async () => {
    const specs = [shellService("one", "sleep 600"), shellService("two", "sleep 601")];
    await ensure("same", specs);
    // Until two of them fell into one of the spans in which a lease stands.
    const leases = await eventually(async () => {
      const second = await ensure("same", specs);
      const before = await leasesOf("same");
      const third = await ensure("same", specs);
      expect(third).toEqual(second);
      expect(third.services.map(({ reused }) => reused)).toEqual([true, true]);
      const after = await leasesOf("same");
      return before.join() === after.join() && after;
    });
    expect(leases).toHaveLength(3);
  });

  it("renews the leases all the same, a second later at the latest", async () => {
    const specs = [shellService("renewed", "sleep 602")];
    await ensure("renewing", specs);
    const before = await leasesOf("renewing");
    await eventually(
      async () => {
        await ensure("renewing", specs);
        const after = await leasesOf("renewing");
        return after.every((revision) => !before.includes(revision));
      },
      { intervalMs: 100 },
    );
  });

  it("is not answered with a service that has died since", async () => {
    const specs = [shellService("mortal", "sleep 603")];
    const ask = async () => (await ensure("mortal", specs)).services[0];
    const first = await ask();
    await ask();
    await ask();
    const pid = Number(first?.providerRef);
    process.kill(pid, "SIGKILL");
    await eventually(() => !isAlive(pid));
    const next = await ask();
    expect(next?.serviceId).not.toBe(first?.serviceId);
    expect(next).toMatchObject({ reused: false, state: ServiceState.RUNNING });
  });

  it("takes its leases anew after the run was released", async () => {
    const specs = [shellService("released", "sleep 604")];
    for (let i = 0; i < 3; i += 1) await ensure("released", specs);
    await server.client.releaseRun({ runId: "released" });
    expect(await leasesOf("released")).toEqual([]);
    await ensure("released", specs);
    expect(await leasesOf("released")).toHaveLength(2);
  });

  it("is another call with other variables of the adapter", async () => {
    const specs = [shellService("private", "sleep 605", { adapterEnvMode: AdapterEnvMode.ALL })];
    const ask = async (value: string) =>
      (await ensure("variables", specs, { VALUE: value })).services[0]?.serviceId;
    const first = await ask("a");
    expect([await ask("a"), await ask("a")]).toEqual([first, first]);
    expect(await ask("b")).not.toBe(first);
  });
});
