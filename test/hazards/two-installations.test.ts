import { describe, expect, it, onTestFinished } from "vitest";
import { ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { startServer } from "../support/server.ts";
import { isAlive, realizePrimary, shellService } from "../support/workspace.ts";

describe("hazard 17: two servers with two data directories on one host", () => {
  it("never touch each other's services, neither in their stops nor in their reconciles", async () => {
    const [one, two] = await Promise.all([startServer(), startServer()]);
    onTestFinished(async () => {
      await Promise.all([one.stop(), two.stop()]);
    });
    const start = async (server: typeof one) => {
      const workspace = await realizePrimary(server);
      onTestFinished(() => workspace.remove());
      const { services } = await server.client.ensureServices({
        runId: "run",
        workspaceId: workspace.workspaceId,
        services: [shellService("sleeper", "sleep 600 & wait")],
      });
      return { workspace, pid: Number(services[0]?.providerRef) };
    };
    const ofOne = await start(one);
    const ofTwo = await start(two);

    await one.client.stopServices({
      target: { case: "workspaceId", value: ofOne.workspace.workspaceId },
      force: true,
    });
    // Project-scoped: it is stopped by its own id.
    const { services } = await one.client.listServices({});
    await one.client.stopServices({
      target: { case: "serviceId", value: services[0]?.serviceId ?? "" },
      force: true,
    });
    expect([isAlive(ofOne.pid), isAlive(ofTwo.pid)]).toEqual([false, true]);

    await one.kill("SIGKILL");
    const again = await startServer({ dataDir: one.dataDir });
    onTestFinished(() => again.stop());
    expect((await again.client.getRuntimeInfo({})).reconcile).toMatchObject({
      reconciled: 0,
      strays: 0,
    });
    expect(isAlive(ofTwo.pid)).toBe(true);
    const [{ state } = { state: undefined }] = (await two.client.listServices({})).services;
    expect(state).toBe(ServiceState.RUNNING);
  });
});
