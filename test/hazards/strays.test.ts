import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  type Service,
  ServiceState,
  StateReason,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive, realizePrimary, shellService, type TestWorkspace } from "../support/workspace.ts";

const TICKER = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done";

describe("hazard 17: a store that was emptied", { timeout: 120_000 }, () => {
  it("finds what lives, gives it a row again, and stops it only when asked", async () => {
    const { dataDir, server: first, workspace } = await begin();
    const policy = { policy: { case: "idleTimeout", value: { idle: { nanos: 1_000_000 } } } };
    const before = await ensure(first, workspace, { stopPolicy: policy as never });
    await first.kill("SIGKILL");
    emptyStore(dataDir);

    const second = await next(dataDir);
    expect((await second.client.getRuntimeInfo({})).reconcile).toMatchObject({
      reconciled: 0,
      adopted: 0,
      strays: 1,
    });
    const stray = await get(second, before.serviceId);
    expect(stray).toMatchObject({
      state: ServiceState.RUNNING,
      stateReason: StateReason.STRAY,
      providerRef: before.providerRef,
      serviceName: "ticker",
      companyId: "company",
      cwd: workspace.cwd,
      instance: 1,
    });
    // The policy of its former row would have stopped it long ago.
    await second.client.renewRun({ runId: "nobody" }).catch(() => {});
    await second.kill("SIGKILL");
    const third = await next(dataDir);
    expect(await get(third, before.serviceId)).toMatchObject({
      state: ServiceState.RUNNING,
      stateReason: StateReason.STRAY,
    });
    expect(isAlive(Number(before.providerRef))).toBe(true);

    const target = { case: "serviceId", value: before.serviceId } as const;
    const { stopped } = await third.client.stopServices({ target });
    expect(stopped).toMatchObject([{ serviceId: before.serviceId, survivors: [] }]);
    expect(isAlive(Number(before.providerRef))).toBe(false);
    const lines = (await logOf(third, before.serviceId)).split("\n").slice(0, -1).map(Number);
    expect(lines).toEqual(lines.map((_, index) => index + 1));
  });

  it("leaves alone, and counts, what only bears the marker; another installation's it does not see", async () => {
    const { dataDir, server: first, workspace } = await begin();
    const foreign = await ensure(first, workspace);
    await first.kill("SIGKILL");
    const installation = readFileSync(join(dataDir, "installation-id"), "utf8").trim();
    const marked = mark(`${installation}.00000000-0000-7000-8000-000000000000-1`);
    const others = mark("11111111-1111-4111-8111-111111111111.x-1");
    // The record of the service says that another installation started it.
    const record = join(dataDir, "services", foreign.serviceId, "instances/1/instance.json");
    const own = readFileSync(record, "utf8");
    writeFileSync(record, own.replace(installation, "11111111-1111-4111-8111-111111111111"));
    emptyStore(dataDir);

    const second = await next(dataDir);
    await eventually(async () => {
      const { reconcile } = await second.client.getRuntimeInfo({});
      // The foreign one's process bears our marker, and so does what it started.
      return (reconcile?.strays ?? 0) >= 2;
    });
    expect((await second.client.listServices({})).services).toEqual([]);
    expect(second.stderr()).toContain(`"pid":${marked.pid}`);
    expect(second.stderr()).not.toContain(`"pid":${others.pid}`);
    for (const pid of [marked.pid, others.pid, Number(foreign.providerRef)]) {
      expect(isAlive(pid ?? 0)).toBe(true);
    }
    // Now it is ours again, and can be ended.
    await second.kill("SIGKILL");
    writeFileSync(record, own);
    const third = await next(dataDir);
    expect(await get(third, foreign.serviceId)).toMatchObject({ stateReason: StateReason.STRAY });
  });

  it("that knows an earlier instance only: the living one is taken over, and no second one is started", async () => {
    const { dataDir, server: first, workspace } = await begin();
    const before = await ensure(first, workspace);
    await first.kill("SIGTERM");
    const backup = readFileSync(join(dataDir, "store.db"));
    const second = await next(dataDir);
    const target = { case: "serviceId", value: before.serviceId } as const;
    await second.client.restartServices({ target, force: true });
    const restarted = await get(second, before.serviceId);
    expect(restarted).toMatchObject({ state: ServiceState.RUNNING, instance: 2 });
    await second.kill("SIGKILL");
    emptyStore(dataDir);
    writeFileSync(join(dataDir, "store.db"), backup, { mode: 0o600 });

    const third = await next(dataDir);
    expect(await get(third, before.serviceId)).toMatchObject({
      state: ServiceState.RUNNING,
      instance: 2,
      providerRef: restarted.providerRef,
    });
    expect(isAlive(Number(restarted.providerRef))).toBe(true);
  });
});

async function begin() {
  const dataDir = mkdtempSync(join(tmpdir(), "wsrt-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 }));
  const server = await startServer({ dataDir });
  onTestFinished(() => server.kill("SIGKILL").then(() => {}));
  const workspace = await realizePrimary(server);
  onTestFinished(() => workspace.remove());
  return { dataDir, server, workspace };
}

/** Ends what lives when the test is over: the newest server knows it. */
async function next(dataDir: string): Promise<TestServer> {
  const server = await startServer({ dataDir });
  onTestFinished(() => server.stop());
  return server;
}

async function ensure({ client }: TestServer, { workspaceId }: TestWorkspace, more = {}) {
  const services = [shellService("ticker", TICKER, more)];
  const answer = await client.ensureServices({ runId: "run", workspaceId, services });
  return answer.services[0] as Service;
}

async function get({ client }: TestServer, serviceId: string): Promise<Service> {
  return (await client.getService({ serviceId })).service as Service;
}

async function logOf({ client }: TestServer, serviceId: string): Promise<string> {
  const { chunks } = await client.readLogs({ source: { case: "serviceId", value: serviceId } });
  return chunks.map(({ content }) => content.value).join("");
}

function emptyStore(dataDir: string): void {
  for (const name of ["store.db", "store.db-wal", "store.db-shm"]) {
    rmSync(join(dataDir, name), { force: true });
  }
}

/** A process with this marker in its environment, that no file records. */
function mark(marker: string): ChildProcess {
  const env = { ...process.env, WORKSPACE_RUNTIME_MARKER: marker };
  const child = spawn("sleep", ["600"], { env, stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}
