import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { ListenerCheck, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  httpService,
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

describe("hazard 4: a port that somebody else has", () => {
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

  const ensure = (spec: SpecInit) =>
    server.client
      .ensureServices({ runId: "run", workspaceId: workspace.workspaceId, services: [spec] })
      .then(
        ({ services }) => ({ service: services[0], details: undefined }),
        (reason: unknown) => ({ service: undefined, details: errorDetails(reason) }),
      );

  async function takenPort(): Promise<number> {
    const foreign = createServer((_, response) => response.end("foreign"));
    await new Promise<void>((resolve) => foreign.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void foreign.close());
    return (foreign.address() as AddressInfo).port;
  }

  async function freePort(): Promise<number> {
    const passing = createServer();
    await new Promise<void>((resolve) => passing.listen(0, "127.0.0.1", resolve));
    const { port } = passing.address() as AddressInfo;
    await new Promise((resolve) => passing.close(resolve));
    return port;
  }

  it("is PORT_IN_USE with the port and the pid when it was there before", async () => {
    const port = await takenPort();
    const { details } = await ensure(
      httpService("fixed", { port: { port: { case: "value", value: port } } }),
    );
    expect(details).toMatchObject({
      reason: "PORT_IN_USE",
      failures: [{ message: expect.stringContaining(`pid ${process.pid}`) }],
    });
  });

  it("is PORT_IN_USE with the service when it is one of ours", async () => {
    const own = { port: { case: "value" as const, value: await freePort() } };
    const first = await ensure(httpService("holder", { port: own }));
    expect(first.service?.state).toBe(ServiceState.RUNNING);
    const { details } = await ensure(httpService("wanting", { port: own }));
    expect(details).toMatchObject({
      reason: "PORT_IN_USE",
      failures: [{ message: expect.stringContaining(first.service?.serviceId ?? "?") }],
    });
  });

  it("is not readiness when somebody takes it after the start", async () => {
    const port = await freePort();
    const outcome = ensure(
      shellService("outrun", "exec sleep 600", {
        port: { port: { case: "value", value: port } },
        readiness: { timeout: { seconds: 5n } },
      }),
    );
    await eventually(async () => {
      const { services } = await server.client.listServices({ serviceNames: ["outrun"] });
      return services[0] !== undefined && services[0].providerRef !== "";
    });
    const late = createServer((_, response) => response.end("foreign"));
    await new Promise<void>((resolve) => late.listen(port, "127.0.0.1", resolve));
    onTestFinished(() => void late.close());
    const { details } = await outcome;
    expect(details).toMatchObject({
      reason: "SERVICE_NOT_READY",
      failures: [{ diagnosis: { reason: "FOREIGN_LISTENER", portOwnerPid: process.pid } }],
    });
    const { services } = await server.client.listServices({ serviceNames: ["outrun"] });
    expect(services[0]?.diagnosis).toEqual(details?.failures[0]?.diagnosis);
  });

  it("is PORT_IN_USE with the keys that differ when it is the same service with other adapter variables", async () => {
    const port = await freePort();
    const spec = httpService("keyed", {
      port: { port: { case: "value", value: port } },
      adapterEnvKeys: ["TOKEN", "REGION"],
    });
    const ask = (runId: string, adapterEnv: Record<string, string>) =>
      server.client
        .ensureServices({
          runId,
          workspaceId: workspace.workspaceId,
          services: [spec],
          adapterEnv,
        })
        .then(
          ({ services }) => ({ service: services[0], details: undefined }),
          (reason: unknown) => ({ service: undefined, details: errorDetails(reason) }),
        );
    const { service } = await ask("one", { TOKEN: "hidden-1", REGION: "eu", OTHER: "a" });
    expect(service?.state).toBe(ServiceState.RUNNING);
    const { details } = await ask("two", { TOKEN: "hidden-2", REGION: "eu", OTHER: "b" });
    expect(details).toMatchObject({
      reason: "PORT_IN_USE",
      metadata: {
        port: String(port),
        pid: service?.providerRef,
        service_id: service?.serviceId,
        service_name: "keyed",
        differing_keys: "TOKEN",
      },
      failures: [{ message: expect.stringContaining("other adapter variables (TOKEN)") }],
    });
    expect(JSON.stringify([details?.metadata, details?.failures[0]?.message])).not.toContain(
      "hidden",
    );
  });

  it("is not readiness when it answers in the service's stead, unless that is meant", async () => {
    const port = await takenPort();
    const elsewhere = shellService("docker-like", "sleep 600", {
      readiness: {
        check: { case: "http", value: { urlTemplate: `http://127.0.0.1:${port}/` } },
        timeout: { nanos: 300_000_000 },
      },
    });
    const { details } = await ensure(elsewhere);
    expect(details).toMatchObject({
      reason: "SERVICE_NOT_READY",
      failures: [
        {
          diagnosis: {
            reason: "FOREIGN_LISTENER",
            lastProbeError: expect.stringContaining("ANY"),
            portOwnerPid: process.pid,
          },
        },
      ],
    });
    const { service } = await ensure({
      ...elsewhere,
      readiness: { ...(elsewhere.readiness as object), listener: ListenerCheck.ANY } as never,
    });
    expect(service?.state).toBe(ServiceState.RUNNING);
  });
});
