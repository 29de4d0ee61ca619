import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Lifecycle, ServiceState, StateReason } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  isAlive,
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

describe("hazards 11, 12 and 12a: leases and their end", () => {
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

  const ensure = async (runId: string, ...services: SpecInit[]) =>
    (await server.client.ensureServices({ runId, workspaceId: workspace.workspaceId, services }))
      .services;
  const get = async (serviceId = "") => (await server.client.getService({ serviceId })).service;

  it("shares {name, command} alone in the project, and leaves it running by default", async () => {
    const spec = shellService("plain", "sleep 600");
    const [first] = await ensure("plain-1", spec);
    const [second] = await ensure("plain-2", spec);
    expect(second).toMatchObject({ serviceId: first?.serviceId, reused: true });
    await server.client.releaseRun({ runId: "plain-1" });
    const { released, stopped } = await server.client.releaseRun({ runId: "plain-2" });
    expect([released.length, stopped.length]).toEqual([1, 0]);
    expect((await get(first?.serviceId))?.state).toBe(ServiceState.RUNNING);
  });

  it("stops on_run_finish with the last lease only", async () => {
    const spec = shellService("finishing", "sleep 600", {
      stopPolicy: { policy: { case: "onRunFinish", value: {} } },
    });
    const [service] = await ensure("finish-1", spec);
    await ensure("finish-2", spec);
    expect((await server.client.releaseRun({ runId: "finish-1" })).stopped).toEqual([]);
    const { stopped } = await server.client.releaseRun({ runId: "finish-2" });
    expect(stopped).toHaveLength(1);
    expect(await get(service?.serviceId)).toMatchObject({
      state: ServiceState.STOPPED,
      stateReason: StateReason.LEASES_ENDED,
    });
  });

  it("adds what a second ensure of one run asks for, and starts no second copy when it is retried", async () => {
    const ephemeral = shellService("own", "sleep 600", { lifecycle: Lifecycle.EPHEMERAL });
    const [own] = await ensure("adding", ephemeral);
    const [other] = await ensure("adding", shellService("other", "sleep 601"));
    const [again] = await ensure("adding", ephemeral);
    expect(again).toMatchObject({ serviceId: own?.serviceId, reused: true });
    expect((await get(own?.serviceId))?.leaseRunIds).toEqual(["adding"]);
    expect((await get(other?.serviceId))?.leaseRunIds).toEqual(["adding"]);

    const [replaced] = await ensure("adding", { ...ephemeral, env: { CHANGED: "1" } });
    expect(replaced?.serviceId).not.toBe(own?.serviceId);
    expect((await get(own?.serviceId))?.state).toBe(ServiceState.STOPPED);
    await server.client.releaseRun({ runId: "adding" });
    expect((await get(replaced?.serviceId))?.state).toBe(ServiceState.STOPPED);
  });

  it("leaves no lease when a run is released while its ensure is in flight", async () => {
    const slow = shellService("slow", "sleep 600", {
      port: { port: { case: "auto", value: {} } } as never,
      readiness: { timeout: { seconds: 20n } } as never,
    });
    const ensuring = ensure("leaving", slow).then(
      () => undefined,
      (error: unknown) => errorDetails(error)?.reason,
    );
    const starting = await eventually(async () => {
      const { services } = await server.client.listServices({ serviceNames: ["slow"] });
      return services.find(({ providerRef }) => providerRef !== "");
    });
    await server.client.releaseRun({ runId: "leaving" });
    expect(await ensuring).toBe("RUN_RELEASED");
    expect((await get(starting.serviceId))?.leaseRunIds).toEqual([]);
  });

  it("goes on with a start whose caller went away, and joins it when asked again", async () => {
    const spec = shellService("left", "sleep 0.7; touch ready; exec sleep 600");
    const away = AbortSignal.timeout(100);
    const gone = await server.client
      .ensureServices(
        { runId: "away", workspaceId: workspace.workspaceId, services: [spec] },
        { signal: away },
      )
      .then(
        () => undefined,
        (error: unknown) => String(error),
      );
    expect(gone).toContain("canceled");
    const [service] = await ensure("away", spec);
    expect(service).toMatchObject({ state: ServiceState.RUNNING, reused: true });
    const { services } = await server.client.listServices({ serviceNames: ["left"] });
    expect(services).toHaveLength(1);
    expect(isAlive(Number(service?.providerRef))).toBe(true);
  });

  it("releases an unknown run without a word", async () => {
    const { released, stopped } = await server.client.releaseRun({ runId: "nobody" });
    expect([released, stopped]).toEqual([[], []]);
  });

  it("stops an idle service after its time, counted from its last lease", async () => {
    const spec = shellService("idle", "sleep 600", {
      stopPolicy: { policy: { case: "idleTimeout", value: { idle: { nanos: 400_000_000 } } } },
    });
    const [service] = await ensure("idler", spec);
    await server.client.releaseRun({ runId: "idler" });
    expect((await get(service?.serviceId))?.state).toBe(ServiceState.RUNNING);
    await eventually(async () => (await get(service?.serviceId))?.state === ServiceState.STOPPED);
    expect((await get(service?.serviceId))?.stateReason).toBe(StateReason.IDLE_TIMEOUT);
  });
});
