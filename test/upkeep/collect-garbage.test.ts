import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { RestartMode, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive, realizePrimary, shellService, type TestWorkspace } from "../support/workspace.ts";

const AT_ONCE = { seconds: 0n, nanos: 0 } as never;

describe("garbage", { timeout: 120_000 }, () => {
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

  it("goes with its logs and instances, after a dry run that says the same and removes nothing", async () => {
    const old = await startAndStop(server, workspace, "web");
    const newest = await startAndStop(server, workspace, "web");
    const lives = await start(server, workspace, "lives");
    expect(await server.client.collectGarbage({})).toMatchObject({ services: 0n, operations: 0n });

    const dry = await server.client.collectGarbage({ dryRun: true, serviceAge: AT_ONCE });
    expect(dry).toMatchObject({ services: 1n, instances: 1n, logFiles: 2n, warnings: [] });
    expect(Number(dry.logBytes)).toBeGreaterThan(0);
    expect(existsSync(directory(server, old))).toBe(true);
    const { $typeName, ...counts } = dry;
    expect(await server.client.collectGarbage({ serviceAge: AT_ONCE })).toMatchObject(counts);

    expect(existsSync(directory(server, old))).toBe(false);
    await expect(server.client.getService({ serviceId: old })).rejects.toThrow();
    for (const kept of [newest, lives]) {
      expect(existsSync(directory(server, kept))).toBe(true);
      expect((await server.client.getService({ serviceId: kept })).service).toBeDefined();
    }
    const again = await server.client.collectGarbage({ serviceAge: AT_ONCE });
    expect(again).toMatchObject({ services: 0n, instances: 0n });
  });

  it("of another company stays", async () => {
    await startAndStop(server, workspace, "mine");
    await startAndStop(server, workspace, "mine");
    const theirs = { companyId: "another", serviceAge: AT_ONCE, operationAge: AT_ONCE };
    expect(await server.client.collectGarbage(theirs)).toMatchObject({
      services: 0n,
      operations: 0n,
    });
    const ours = await server.client.collectGarbage({ companyId: "company", serviceAge: AT_ONCE });
    expect(ours.services).toBe(1n);
  });

  it("is a reported service, whose id may spell a path: nothing but its row goes", async () => {
    const report = (id: string) =>
      server.client.reportServices({
        adapterType: "docker",
        companyId: "reporting",
        reports: [{ id, reuseKey: "one", state: ServiceState.STOPPED }],
      });
    for (const id of ["../runtime", "..", ".", "newest"]) await report(id);
    const answer = await server.client.collectGarbage({
      companyId: "reporting",
      serviceAge: AT_ONCE,
    });
    expect(answer).toMatchObject({ services: 3n, instances: 0n, logFiles: 0n, warnings: [] });
    for (const name of ["runtime", "services", "store.db", "token"]) {
      expect(existsSync(join(server.dataDir, name))).toBe(true);
    }
    const { services } = await server.client.listServices({ companyId: "reporting" });
    expect(services.map(({ serviceId }) => serviceId)).toEqual(["newest"]);
  });

  it("is an operation with its output, but never one that runs", async () => {
    const { operations: before } = await server.client.listOperations({ pageSize: 500 });
    expect(before.length).toBeGreaterThan(0);
    const answer = await server.client.collectGarbage({ operationAge: AT_ONCE });
    expect(answer.operations).toBe(BigInt(before.length));
    expect((await server.client.listOperations({})).operations).toEqual([]);
    expect(readdirSync(join(server.dataDir, "operations"))).toEqual([]);
  });

  it("takes no answer away that a call with its request id gets again", async () => {
    const again = () =>
      server.client.restartServices({
        target: { case: "workspaceId", value: workspace.workspaceId },
        requestId: "asked-twice",
      });
    const first = await again();
    await server.client.collectGarbage({ operationAge: AT_ONCE });
    expect(await again()).toEqual(first);
  });

  it("is the records of the former instances of a service that goes on", async () => {
    const { services } = await server.client.ensureServices({
      runId: "again",
      workspaceId: workspace.workspaceId,
      services: [
        shellService("again", "echo up; exec sleep 600", {
          restart: {
            mode: RestartMode.ALWAYS,
            initialBackoff: { seconds: 0n, nanos: 10_000_000 },
          } as never,
        }),
      ],
    });
    const serviceId = services[0]?.serviceId ?? "";
    process.kill(Number(services[0]?.providerRef), "SIGKILL");
    const second = await eventually(async () => {
      const { service } = await server.client.getService({ serviceId });
      return service?.state === ServiceState.RUNNING && service.instance === 2 && service;
    });
    expect((await server.client.collectGarbage({})).instances).toBe(1n);
    expect(readdirSync(join(directory(server, serviceId), "instances"))).toEqual(["2"]);
    expect(isAlive(Number(second.providerRef))).toBe(true);
  });

  it("is what has lost its row, unless it lives", async () => {
    const orphan = directory(server, "00000000-0000-7000-8000-000000000000");
    mkdirSync(join(orphan, "instances", "1"), { recursive: true });
    expect((await server.client.collectGarbage({ dryRun: true })).instances).toBe(1n);
    expect((await server.client.collectGarbage({ companyId: "company" })).instances).toBe(0n);
    expect((await server.client.collectGarbage({})).instances).toBe(1n);
    expect(existsSync(orphan)).toBe(false);
  });

  it("whose row went just before the server died is found by the next one", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "wsrt-"));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    const doomed = await startServer({
      dataDir,
      env: { WORKSPACE_RUNTIME_FAILPOINTS: "garbage.row-deleted=kill" },
    });
    const place = await realizePrimary(doomed);
    onTestFinished(() => place.remove());
    const old = await startAndStop(doomed, place, "web");
    await startAndStop(doomed, place, "web");
    await expect(doomed.client.collectGarbage({ serviceAge: AT_ONCE })).rejects.toThrow();
    expect(existsSync(directory(doomed, old))).toBe(true);
    const next = await startServer({ dataDir });
    onTestFinished(() => next.stop());
    expect(await next.client.collectGarbage({})).toMatchObject({ services: 0n, instances: 1n });
    expect(existsSync(directory(next, old))).toBe(false);
  });
});

async function start({ client }: TestServer, { workspaceId }: TestWorkspace, name: string) {
  const services = [shellService(name, "echo up; exec sleep 600")];
  const answer = await client.ensureServices({ runId: name, workspaceId, services });
  return answer.services[0]?.serviceId ?? "";
}

async function startAndStop(server: TestServer, workspace: TestWorkspace, name: string) {
  const serviceId = await start(server, workspace, name);
  const target = { case: "serviceId", value: serviceId } as const;
  await server.client.stopServices({ target, force: true });
  // Its files are given back a moment after the answer.
  await eventually(() => !existsSync(join(directory(server, serviceId), "launch.json")));
  return serviceId;
}

function directory({ dataDir }: TestServer, serviceId: string): string {
  return join(dataDir, "services", serviceId);
}
