import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { kill } from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  HealthStatus,
  RestartMode,
  type Service,
  ServiceState,
  StateReason,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
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

describe("services that are started again", () => {
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

  const ensure = async (runId: string, spec: SpecInit) => {
    const { services } = await server.client.ensureServices({
      runId,
      workspaceId: workspace.workspaceId,
      services: [spec],
    });
    return services[0] as Service;
  };
  const get = async (serviceId: string) =>
    (await server.client.getService({ serviceId })).service as Service;
  const inState = (serviceId: string, state: ServiceState) =>
    eventually(async () => {
      const service = await get(serviceId);
      return service.state === state && service;
    });
  const quickly = {
    mode: RestartMode.ON_FAILURE,
    initialBackoff: { seconds: 0n, nanos: 50_000_000 },
  };

  it("come back after a crash under the same id, with their leases and one log", async () => {
    const first = await ensure(
      "crash",
      shellService("crashing", "echo up; exec sleep 600", { restart: quickly as never }),
    );
    kill(Number(first.providerRef), "SIGKILL");
    const second = await eventually(async () => {
      const service = await get(first.serviceId);
      return service.state === ServiceState.RUNNING && service.instance === 2 && service;
    });
    expect(second).toMatchObject({ restartCount: 1, leaseRunIds: ["crash"] });
    expect(second.providerRef).not.toBe(first.providerRef);
    const { chunks } = await server.client.readLogs({
      source: { case: "serviceId", value: first.serviceId },
    });
    expect(chunks.map(({ instance, content }) => [instance, content.value])).toEqual([
      [1, "up\n"],
      [2, "up\n"],
    ]);
  });

  it("are given up after too many crashes in a row", async () => {
    const service = await ensure(
      "loop",
      shellService("looping", "sleep 0.3; exit 4", {
        restart: { ...quickly, maxRestarts: 1 } as never,
      }),
    );
    const last = await inState(service.serviceId, ServiceState.FAILED);
    expect(last).toMatchObject({
      stateReason: StateReason.CRASH_LOOP,
      instance: 2,
      exit: { code: 4 },
    });
  });

  it("are not started for a failure of the very first start", async () => {
    const error = await ensure(
      "early",
      shellService("early", "exit 1", { restart: quickly as never }),
    ).then(
      () => undefined,
      (reason: unknown) => errorDetails(reason)?.reason,
    );
    expect(error).toBe("SERVICE_EXITED_EARLY");
  });

  it("can be stopped while they wait, and are started at once for a run that asks", async () => {
    const slowly = { mode: RestartMode.ALWAYS, initialBackoff: { seconds: 600n, nanos: 0 } };
    const spec = shellService("waiting", "exec sleep 600", { restart: slowly as never });
    const first = await ensure("wait-1", spec);
    kill(Number(first.providerRef), "SIGTERM");
    await inState(first.serviceId, ServiceState.BACKOFF);
    const joined = await ensure("wait-2", spec);
    expect(joined).toMatchObject({
      serviceId: first.serviceId,
      instance: 2,
      state: ServiceState.RUNNING,
      reused: true,
    });
    kill(Number(joined.providerRef), "SIGTERM");
    await inState(first.serviceId, ServiceState.BACKOFF);
    const { services } = await server.client.stopServices({
      target: { case: "serviceId", value: first.serviceId },
      force: true,
    });
    expect(services[0]).toMatchObject({ state: ServiceState.STOPPED, leaseRunIds: [] });
  });

  it("are restarted on request, leases kept, but not against a lease unless forced", async () => {
    const first = await ensure("ask", shellService("asked", "exec sleep 600"));
    const target = { case: "serviceId" as const, value: first.serviceId };
    const refused = await server.client.restartServices({ target }).then(
      () => undefined,
      (reason: unknown) => errorDetails(reason)?.reason,
    );
    expect(refused).toBe("SERVICE_LEASED");
    const { services, stopped, operation } = await server.client.restartServices({
      target,
      force: true,
    });
    expect(services[0]).toMatchObject({
      serviceId: first.serviceId,
      instance: 2,
      state: ServiceState.RUNNING,
      leaseRunIds: ["ask"],
    });
    expect(stopped).toHaveLength(1);
    expect(operation?.command).toBe("workspace runtime restart");
    expect(isAlive(Number(first.providerRef))).toBe(false);
    expect(isAlive(Number(services[0]?.providerRef))).toBe(true);
  });

  it("answer also those who waited for a start that was ended to be made again", async () => {
    const waiting = ensure(
      "restarted",
      shellService("slow", "until [ -e go ]; do sleep 0.05; done; echo ready; exec sleep 600", {
        readiness: { check: { case: "log", value: { pattern: "^ready" } } },
      }),
    );
    const first = await eventually(async () => {
      const { services } = await server.client.listServices({ serviceNames: ["slow"] });
      return services[0]?.state === ServiceState.STARTING && services[0];
    });
    await server.client.restartServices({
      target: { case: "serviceId", value: first.serviceId },
      force: true,
      noWait: true,
    });
    writeFileSync(join(workspace.cwd, "go"), "");
    const { serviceId } = first;
    expect(await waiting).toMatchObject({ serviceId, instance: 2, state: ServiceState.RUNNING });
  });

  it("are marked and restarted when their liveness checks fail", async () => {
    const program = `require('http').createServer((q, s) => { s.statusCode = require('fs').existsSync('sick') ? 500 : 200; s.end() }).listen(process.env.PORT, '127.0.0.1')`;
    const service = await ensure(
      "live",
      shellService("living", `rm -f sick; exec '${process.execPath}' -e "${program}"`, {
        port: { port: { case: "auto", value: {} } } as never,
        liveness: {
          check: { case: "http", value: { urlTemplate: "http://127.0.0.1:{{port}}/" } },
          interval: { seconds: 0n, nanos: 50_000_000 },
          failureThreshold: 2,
        } as never,
        restart: quickly as never,
      }),
    );
    expect(service.health).toBe(HealthStatus.HEALTHY);
    writeFileSync(join(workspace.cwd, "sick"), "");
    await eventually(async () => {
      const { state, instance } = await get(service.serviceId);
      return state === ServiceState.RUNNING && instance === 2;
    });
  });
});

describe("a service that dies while no server runs", () => {
  it("is started again by the next server, as its policy says", async () => {
    const first = await startServer();
    const workspace = await realizePrimary(first);
    const { services } = await first.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: [
        shellService("phoenix", 'echo "$VALUE"; exec sleep 600', {
          env: { VALUE: "kept" },
          restart: { mode: RestartMode.ALWAYS, initialBackoff: { nanos: 50_000_000 } } as never,
        }),
      ],
    });
    const [service] = services;
    await first.kill("SIGKILL");
    kill(Number(service?.providerRef), "SIGKILL");
    await eventually(() => !isAlive(Number(service?.providerRef)));

    const next = await startServer({ dataDir: first.dataDir });
    const again = await eventually(async () => {
      const { service: row } = await next.client.getService({
        serviceId: service?.serviceId ?? "",
      });
      return row?.state === ServiceState.RUNNING && row.instance === 2 && row;
    });
    expect(again.leaseRunIds).toEqual(["run"]);
    const { chunks } = await next.client.readLogs({
      source: { case: "serviceId", value: service?.serviceId ?? "" },
    });
    expect(chunks.map(({ content }) => content.value).join("")).toBe("kept\nkept\n");
    await next.stop();
    await first.stop();
    workspace.remove();
  });
});
