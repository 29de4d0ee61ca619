import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  HealthStatus,
  type Service,
  ServiceState,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { checkHealth, errorDetails } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { createPostgresCluster, type PostgresCluster } from "../support/postgres-cluster.ts";
import { createPostgresProxy, type PostgresProxy } from "../support/postgres-proxy.ts";
import { servicesWithVariable } from "../support/processes.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive, realizePrimary, shellService, type TestWorkspace } from "../support/workspace.ts";
import { readNumbers, watchStates } from "./lost-database-support.ts";

/** What a caller without a deadline of its own may wait at most, on a machine that is busy. */
const BOUND_MS = 25_000;
/** In the environment of all that this test starts. */
const MARK = "WSRT_LOST_DATABASE";
const LIVING: ReadonlySet<ServiceState> = new Set([
  ServiceState.STARTING,
  ServiceState.RUNNING,
  ServiceState.STOPPING,
]);
const TICK = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done";

let cluster: PostgresCluster;
let proxy: PostgresProxy;
let dataDir: string;
let server: TestServer;
let workspace: TestWorkspace;
let ticker: Service;

beforeAll(async () => {
  cluster = await createPostgresCluster();
  proxy = await createPostgresProxy(cluster.url);
  dataDir = mkdtempSync(join(tmpdir(), "wsrt-"));
  server = await startOnCluster();
  workspace = await realizePrimary(server);
  ticker = await ensureOne("ticker", TICK);
}, 120_000);

afterAll(async () => {
  await server?.stop().catch(() => {});
  // A server that a failed test left dead has ended none of them.
  for (const { pid } of servicesWithVariable(MARK, workspace?.cwd)) process.kill(pid, "SIGKILL");
  await proxy?.close();
  await cluster?.remove();
  workspace?.remove();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

describe("hazard 49: a PostgreSQL that is lost", { timeout: 180_000 }, () => {
  it.each(["killed", "read-only", "locked by another", "frozen"] as const)(
    "%s: services and their logs go on, calls say so, and what happened meanwhile is true when it is back",
    async (fault) => {
      const go = join(workspace.cwd, `go ${fault}`);
      const shortLived = await ensureOne(
        `short ${fault}`,
        `while ! [ -e '${go}' ]; do sleep 0.02; done; exit 7`,
      );
      const states = watchStates(server, shortLived.serviceId);
      onTestFinished(() => states.close());
      await states.seen(ServiceState.RUNNING);
      const reader = readNumbers(server, ticker.serviceId);
      onTestFinished(() => reader.close());
      await reader.more();

      const mend = await breakDatabase(fault);
      if (fault === "killed" || fault === "frozen") {
        await Promise.all([
          expectUnavailable(() => server.client.getService({ serviceId: ticker.serviceId })),
          expectUnavailable(() => server.client.listServices({})),
        ]);
      } else {
        await server.client.getService({ serviceId: ticker.serviceId });
      }
      // All at once: none waits for those before it.
      await Promise.all([
        ...Array.from({ length: 8 }, () => expectUnavailable(() => realizePrimary(server))),
        expectUnavailable(() => ensureOne("never", "exec sleep 600")),
        expectUnavailable(() => stop(ticker.serviceId)),
      ]);
      expect(isAlive(Number(ticker.providerRef))).toBe(true);
      await reader.more();
      expect(await checkHealth({ address: server.address })).toBe("SERVING");
      const left = Date.now();
      writeFileSync(go, "");
      await eventually(() => !isAlive(Number(shortLived.providerRef)));
      const gone = Date.now();

      await mend();
      const service = await eventually(
        async () => {
          const { service } = await server.client.getService({ serviceId: shortLived.serviceId });
          return service?.state === ServiceState.FAILED && service;
        },
        { timeoutMs: 30_000 },
      );
      expect(service.exit?.code).toBe(7);
      const exitTime = Number(service.exit?.exitTime?.seconds ?? 0n) * 1000;
      expect(exitTime).toBeGreaterThan(left - 2_000);
      expect(exitTime).toBeLessThan(gone + 2_000);
      await states.seen(ServiceState.FAILED);
      // The server and what it drives are as they were: nothing was stopped, nothing was started.
      const still = await ensureOne("ticker", TICK);
      expect(still).toMatchObject({
        serviceId: ticker.serviceId,
        providerRef: ticker.providerRef,
        state: ServiceState.RUNNING,
      });
      await reader.more();
      reader.expectWhole();
      await expectRowsAreProcesses();
    },
  );

  it("with its connections cut again and again: each call is done, or said not to be", async () => {
    const names = Array.from({ length: 15 }, (_, index) => `cut-${index}`);
    const cuts = cutConnections(AbortSignal.timeout(3_000));
    const outcomes = await Promise.all(
      names.map((name) =>
        ensureOne(name, "exec sleep 600").then(
          (service) => ({ service }),
          (error) => ({ error: errorDetails(error) }),
        ),
      ),
    );
    expect(await cuts).toBeGreaterThan(0);
    for (const outcome of outcomes) {
      if ("service" in outcome) expect(isAlive(Number(outcome.service.providerRef))).toBe(true);
      else expectStoreReason(outcome.error);
    }
    // The same calls again, until all stand: a row that was written without its answer is in nobody's way.
    await eventually(
      async () => {
        for (const name of names) await ensureOne(name, "exec sleep 600");
        return true;
      },
      { timeoutMs: 60_000, intervalMs: 100 },
    );
    await expectRowsAreProcesses();
    for (const { serviceId, serviceName } of await living()) {
      if (serviceName.startsWith("cut-")) await stop(serviceId);
    }
    await expectRowsAreProcesses();
  });

  it("cut between a commit and its answer: what the row says comes true, and the same call is in nobody's way", async () => {
    const ensure = () => ensureOne("unheard", "exec sleep 600");
    for (const repeat of [false, true]) {
      const before = proxy.lost;
      proxy.loseAnswerToCommitAfter('insert into "services"');
      await expectUnavailable(ensure);
      expect(proxy.lost).toBe(before + 1);
      if (repeat) await ensure();
      await expectRowsAreProcesses();
    }
    const { serviceId, providerRef } = await ensure();
    const before = proxy.lost;
    proxy.loseAnswerToCommitAfter("STOPPING");
    await expectUnavailable(() => stop(serviceId));
    expect(proxy.lost).toBe(before + 1);
    await eventually(async () => {
      const { service } = await server.client.getService({ serviceId });
      return service?.state === ServiceState.STOPPED;
    });
    expect(isAlive(Number(providerRef))).toBe(false);
    await expectRowsAreProcesses();
  });

  it("cut between the end of a run's leases and its answer: what should end with the run ends", async () => {
    const { services } = await server.client.ensureServices({
      runId: "short-run",
      workspaceId: workspace.workspaceId,
      services: [
        shellService("until-release", "exec sleep 600", {
          env: { [MARK]: workspace.cwd },
          stopPolicy: { policy: { case: "onRunFinish", value: {} } },
        }),
      ],
    });
    const serviceId = services[0]?.serviceId ?? "";
    const before = proxy.lost;
    proxy.loseAnswerToCommitAfter('delete from "leases"');
    await expectUnavailable(() => server.client.releaseRun({ runId: "short-run" }));
    expect(proxy.lost).toBe(before + 1);
    await eventually(async () => {
      const { service } = await server.client.getService({ serviceId });
      return service?.state === ServiceState.STOPPED;
    });
    await expectRowsAreProcesses();
  });

  it("lost while a service comes up: its callers are told in time, and the same call again finds it", async () => {
    const go = join(workspace.cwd, "go up");
    const command = `while ! [ -e '${go}' ]; do sleep 0.02; done; exec sleep 600`;
    const starting = () =>
      server.client.ensureServices({
        runId: "run",
        workspaceId: workspace.workspaceId,
        services: [
          shellService("slow", `touch '${go}.seen'; ${command}`, {
            env: { [MARK]: workspace.cwd },
            readiness: { check: { case: "exec", value: { command: `test -e '${go}'` } } },
          }),
        ],
      });
    const waiting = expectUnavailable(starting);
    await eventually(() => existsSync(`${go}.seen`));
    const mend = await breakDatabase("killed");
    writeFileSync(go, "");
    await waiting;
    await mend();
    const { services } = await eventually(starting, { timeoutMs: 30_000, intervalMs: 100 });
    expect(services).toMatchObject([{ state: ServiceState.RUNNING, instance: 1 }]);
    await expectRowsAreProcesses();
    await stop(services[0]?.serviceId ?? "");
  });

  it("away while the server is killed and started: it says what is missing, and the next one finds all", async () => {
    const mend = await breakDatabase("killed");
    await server.kill("SIGKILL");
    const refused = await startOnCluster().then(
      () => "started",
      (error: Error) => error.message,
    );
    expect(refused).toMatch(/ended with code [1-9]/);
    expect(refused).toContain("database cannot be reached");
    expect(isAlive(Number(ticker.providerRef))).toBe(true);
    await mend();
    server = await startOnCluster();
    const { service } = await server.client.getService({ serviceId: ticker.serviceId });
    expect(service).toMatchObject({
      state: ServiceState.RUNNING,
      health: HealthStatus.HEALTHY,
      providerRef: ticker.providerRef,
      instance: 1,
    });
    const reader = readNumbers(server, ticker.serviceId);
    await reader.more();
    reader.expectWhole();
    reader.close();
    await expectRowsAreProcesses();
  });
});

function startOnCluster(): Promise<TestServer> {
  return startServer({ dataDir, args: ["--database-url", proxy.url] });
}

async function ensureOne(name: string, command: string): Promise<Service> {
  const { services } = await server.client.ensureServices({
    runId: "run",
    workspaceId: workspace.workspaceId,
    services: [shellService(name, command, { env: { [MARK]: workspace.cwd } })],
  });
  const [first] = services;
  if (first === undefined) throw new Error("no service in the answer");
  return first;
}

async function stop(serviceId: string): Promise<void> {
  await server.client.stopServices({
    target: { case: "serviceId", value: serviceId },
    force: true,
  });
}

async function living(): Promise<Service[]> {
  const { services } = await server.client.listServices({ pageSize: 500 });
  return services.filter(({ state }) => LIVING.has(state));
}

/** Both ways: no process without its row, no row without its process. */
async function expectRowsAreProcesses(): Promise<void> {
  await eventually(
    async () => {
      const rows = (await living()).map(({ providerRef }) => Number(providerRef));
      const found = servicesWithVariable(MARK, workspace.cwd).map(({ pid }) => pid);
      expect(rows.sort()).toEqual(found.sort());
      return true;
    },
    { timeoutMs: 30_000, intervalMs: 100 },
  );
}

async function expectUnavailable(call: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  const error = await call().then(() => undefined, errorDetails);
  expectStoreReason(error);
  expect(performance.now() - began).toBeLessThan(BOUND_MS);
}

function expectStoreReason(error: ReturnType<typeof errorDetails> | undefined): void {
  expect(error, server.stderr().slice(-4_000)).toMatchObject({
    status: "UNAVAILABLE",
    reason: "STORE_UNAVAILABLE",
  });
  expect(error?.retryAfterMs).toBeGreaterThan(0);
}

/** The returned function makes it whole again. */
async function breakDatabase(fault: Fault): Promise<() => Promise<void>> {
  let broken = true;
  const undo = await breakIt(fault);
  const mend = async () => {
    if (broken) await undo();
    broken = false;
  };
  onTestFinished(mend);
  return mend;
}

type Fault = "killed" | "read-only" | "locked by another" | "frozen";

async function breakIt(fault: Fault): Promise<() => Promise<void>> {
  if (fault === "frozen") {
    proxy.freeze();
    return async () => proxy.thaw();
  }
  if (fault === "killed") {
    await cluster.crash();
    return () => cluster.start();
  }
  const client = new pg.Client({ connectionString: cluster.url });
  client.on("error", () => {});
  await client.connect();
  if (fault === "read-only") {
    await client.query("alter system set default_transaction_read_only = on");
    await client.query("select pg_reload_conf()");
    await eventually(async () => {
      const { rows } = await client.query("show default_transaction_read_only");
      return rows[0]?.default_transaction_read_only === "on";
    });
    return async () => {
      await client.query("alter system reset default_transaction_read_only");
      await client.query("select pg_reload_conf()");
      await client.end();
    };
  }
  await client.query("begin");
  await client.query("select * from workspace_runtime.revision for update");
  return () => client.end();
}

/** Resolves with how many were cut, once told to stop. */
async function cutConnections(signal: AbortSignal): Promise<number> {
  const client = new pg.Client({ connectionString: cluster.url });
  await client.connect();
  let cut = 0;
  while (!signal.aborted) {
    const { rows } = await client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'workspace-runtime' and state <> 'idle'",
    );
    cut += rows.length;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await client.end();
  return cut;
}
