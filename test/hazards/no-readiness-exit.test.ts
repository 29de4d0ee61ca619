import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  HealthStatus,
  ServiceState,
  StateReason,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { realizePrimary, shellService, type TestWorkspace } from "../support/workspace.ts";

describe("hazard 3: a command without readiness that exits with 3", () => {
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

  const ensure = (command: string, name: string) =>
    server.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: [shellService(name, command)],
    });
  const get = async (serviceId: string) => (await server.client.getService({ serviceId })).service;

  it("has failed when it ends before it counts as started", async () => {
    const error = await ensure("echo gone; exit 3", "early").then(
      () => undefined,
      (reason: unknown) => reason,
    );
    const failure = errorDetails(error)?.failures[0];
    expect(failure).toMatchObject({
      exit: { code: 3 },
      diagnosis: { reason: "EXITED_EARLY", outputTail: "gone\n" },
    });
    expect(await get(failure?.serviceId ?? "")).toMatchObject({
      state: ServiceState.FAILED,
      health: HealthStatus.UNHEALTHY,
      stateReason: StateReason.EXITED_EARLY,
      exit: { code: 3 },
      diagnosis: failure?.diagnosis,
    });
  });

  it("has failed, and is not well, when it ends after that", async () => {
    const { services } = await ensure("until test -e leave; do sleep 0.05; done; exit 3", "later");
    expect(services[0]).toMatchObject({ state: ServiceState.RUNNING });
    await ensure("touch leave; exec sleep 600", "leaving");
    const row = await eventually(
      async () => {
        const found = await get(services[0]?.serviceId ?? "");
        return found?.state === ServiceState.FAILED && found;
      },
      { timeoutMs: 25_000 },
    );
    expect(row).toMatchObject({
      health: HealthStatus.UNHEALTHY,
      stateReason: StateReason.EXITED,
      exit: { code: 3 },
    });
  });
});
