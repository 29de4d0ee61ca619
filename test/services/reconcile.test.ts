import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kill } from "node:process";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  RestartMode,
  type Service,
  ServiceState,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  isAlive,
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

describe("what the next server finds", { timeout: 120_000 }, () => {
  it("is looked at again when it could not be looked at", async () => {
    const { server: first, workspace, next } = await begin();
    const before = await ensure(first, workspace, shellService("web", "exec sleep 600"));
    await first.kill("SIGKILL");
    const second = await next("adopt.found=error(3)");
    expect(await inState(second, before.serviceId, ServiceState.RUNNING)).toMatchObject({
      providerRef: before.providerRef,
      instance: 1,
    });
    const target = { case: "serviceId", value: before.serviceId } as const;
    await eventually(async () => {
      await second.client.stopServices({ target, force: true });
      return !isAlive(Number(before.providerRef));
    });
  });

  it("starting is asked on whether it is ready", async () => {
    const { server: first, workspace, next } = await begin();
    const program =
      "const fs=require('fs');setInterval(()=>{if(fs.existsSync('go')&&!s.listening)s.listen(process.env.PORT,'127.0.0.1')},10);const s=require('http').createServer((q,a)=>a.end('ok'))";
    const spec = shellService("web", `exec '${process.execPath}' -e "${program}"`, {
      port: { port: { case: "auto", value: {} } } as never,
      readiness: { timeout: { seconds: 100n } } as never,
    });
    const asked = ensure(first, workspace, spec, true);
    const starting = await asked;
    await eventually(async () => (await get(first, starting.serviceId)).providerRef !== "");
    const { providerRef } = await get(first, starting.serviceId);
    await first.kill("SIGKILL");
    const second = await next();
    expect(await get(second, starting.serviceId)).toMatchObject({
      state: ServiceState.STARTING,
      providerRef,
    });
    writeFileSync(join(workspace.cwd, "go"), "");
    expect(await inState(second, starting.serviceId, ServiceState.RUNNING)).toMatchObject({
      providerRef,
      restartCount: 0,
    });
  });

  it("waiting for its restart waits on, and is started at once by who asks for it", async () => {
    const { server: first, workspace, next } = await begin();
    const spec = shellService("web", "echo up; exec sleep 600", {
      restart: { mode: RestartMode.ON_FAILURE, initialBackoff: { seconds: 60n } } as never,
    });
    const before = await ensure(first, workspace, spec);
    kill(Number(before.providerRef), "SIGKILL");
    await inState(first, before.serviceId, ServiceState.BACKOFF);
    await first.kill("SIGKILL");
    const second = await next();
    expect((await get(second, before.serviceId)).state).toBe(ServiceState.BACKOFF);
    expect((await second.client.getRuntimeInfo({})).reconcile).toMatchObject({
      reconciled: 1,
      adopted: 1,
      stopped: 0,
      strays: 0,
      state: "done",
    });
    expect(await ensure(second, workspace, spec)).toMatchObject({
      serviceId: before.serviceId,
      state: ServiceState.RUNNING,
      instance: 2,
    });
  });
});

async function begin() {
  const dataDir = mkdtempSync(join(tmpdir(), "wsrt-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 }));
  const next = async (failpoints = "") => {
    const env = { WORKSPACE_RUNTIME_FAILPOINTS: failpoints };
    const server = await startServer({ dataDir, env });
    onTestFinished(() => server.stop());
    return server;
  };
  const server = await next();
  const workspace = await realizePrimary(server);
  onTestFinished(() => workspace.remove());
  return { server, workspace, next };
}

async function ensure(
  { client }: TestServer,
  { workspaceId }: TestWorkspace,
  spec: SpecInit,
  noWait = false,
): Promise<Service> {
  const answer = await client.ensureServices({ runId: "r", workspaceId, services: [spec], noWait });
  return answer.services[0] as Service;
}

async function get({ client }: TestServer, serviceId: string): Promise<Service> {
  return (await client.getService({ serviceId })).service as Service;
}

function inState(server: TestServer, serviceId: string, state: ServiceState): Promise<Service> {
  return eventually(
    async () => {
      const service = await get(server, serviceId);
      return service.state === state && service;
    },
    { timeoutMs: 30_000 },
  );
}
