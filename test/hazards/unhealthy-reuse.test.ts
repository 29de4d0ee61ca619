import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  HealthStatus,
  ServiceState,
  StateReason,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  fixtureService,
  isAlive,
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

/** Of one test: eight suites may share two cores. */
const PATIENCE_MS = 120_000;

describe("hazard 13: reuse of a service that died or turned unhealthy meanwhile", () => {
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

  const CALLERS = 20;
  const ensure = (runId: string, spec: SpecInit) =>
    server.client.ensureServices({
      runId,
      workspaceId: workspace.workspaceId,
      services: [spec],
    });
  const rowsOf = async (name: string) =>
    (await server.client.listServices({ serviceNames: [name] })).services;

  /** Twenty runs want it at once: what each got. */
  async function wantedByAll(spec: SpecInit) {
    const answers = await Promise.all(
      Array.from({ length: CALLERS }, (_, index) => ensure(`${spec.name}-${index}`, spec)),
    );
    return answers.map(({ services }) => services[0]);
  }

  it(
    "replaces an unhealthy one that nobody leases once, for twenty who ask",
    async () => {
      const sick = join(workspace.cwd, "sick-unleased");
      const spec = fixtureService("unleased", "ill.mjs sick-unleased", {
        readiness: {
          check: { case: "http", value: { urlTemplate: "http://127.0.0.1:{{port}}/" } },
        },
        liveness: {
          check: { case: "http", value: { urlTemplate: "http://127.0.0.1:{{port}}/" } },
          interval: { seconds: 0n, nanos: 50_000_000 },
          failureThreshold: 1,
        } as never,
      });
      const first = (await ensure("first", spec)).services[0];
      await server.client.releaseRun({ runId: "first" });
      writeFileSync(sick, "");
      await eventually(
        async () => (await rowsOf("unleased"))[0]?.health === HealthStatus.UNHEALTHY,
        {
          timeoutMs: 30_000,
        },
      );
      // Its next instance is well only when this is gone: when the first one has been.
      const gone = eventually(() => !isAlive(Number(first?.providerRef)), { timeoutMs: 60_000 });
      void gone.then(() => rmSync(sick));
      const services = await wantedByAll(spec);

      const ids = new Set(services.map((service) => service?.serviceId));
      expect(ids.size).toBe(1);
      expect(ids).not.toContain(first?.serviceId);
      expect(services.filter((service) => service?.reused === false)).toHaveLength(1);
      const rows = await rowsOf("unleased");
      expect(rows.map(({ state, stateReason }) => [state, stateReason])).toEqual([
        [ServiceState.RUNNING, StateReason.UNSPECIFIED],
        [ServiceState.STOPPED, StateReason.UNHEALTHY],
      ]);
      expect(rows[0]?.leaseRunIds).toHaveLength(CALLERS);
      expect(rows[1]?.diagnosis).toMatchObject({ reason: "HTTP_STATUS" });
    },
    PATIENCE_MS,
  );

  it(
    "starts a dead one once, for twenty who ask",
    async () => {
      const spec = shellService("dead", "exec sleep 600");
      const first = (await ensure("before", spec)).services[0];
      await server.client.releaseRun({ runId: "before" });
      process.kill(Number(first?.providerRef), "SIGKILL");
      await eventually(() => !isAlive(Number(first?.providerRef)));
      const services = await wantedByAll(spec);
      const ids = new Set(services.map((service) => service?.serviceId));
      const rows = await rowsOf("dead");
      expect(rows.filter(({ state }) => state === ServiceState.RUNNING)).toHaveLength(1);
      expect([...ids]).toEqual([rows[0]?.serviceId]);
      expect(ids).not.toContain(first?.serviceId);
      expect(rows[0]?.leaseRunIds).toHaveLength(CALLERS);
      expect(rows).toHaveLength(2);
    },
    PATIENCE_MS,
  );
});
