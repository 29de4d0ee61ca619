import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  ServiceState,
  StateReason,
  type StopPolicy,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { FAILPOINTS, type FailpointName } from "../../src/failpoints.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  isAlive,
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

const FULL = process.env.TEST_FULL === "1";
const ROUNDS = FULL ? 5 : 1;

const starts: FailpointName[] = [
  "lease.intended",
  "lease.acquired",
  "service.row-written",
  "index.record-written",
  "service.launch-kept",
  "service.spawned",
  "service.spawn-written",
  "service.ready",
  "service.ready-written",
];
const exits: FailpointName[] = [
  "service.exited",
  "service.exit-written",
  "stop.proven",
  "stop.end-written",
  "service.settled",
];
/** With TEST_FULL also those that an exit passes through as well. */
const stops: FailpointName[] = ["stop.intended", "stop.signalled", ...(FULL ? exits : [])];
const releases: FailpointName[] = ["lease.released", ...(FULL ? stops : [])];
const adoptions: FailpointName[] = [
  "adopt.registered",
  "adopt.found",
  "adopt.reconciled",
  "lease.all-renewed",
];

/** Says in `starts` that it was started, then counts; ends with 7 when `end` is there. */
const TICKER =
  "echo $$ >> starts; i=0; while ! [ -e end ]; do i=$((i+1)); echo $i; sleep 0.01; done; exit 7";

describe("the server killed in the life of a service, at", { timeout: 120_000 }, () => {
  it("every step that has a name, once at least", () => {
    const tried = new Set<string>([starts, exits, stops, releases, adoptions].flat());
    const named = FAILPOINTS.filter((name) => /^(service|stop|lease|index|adopt)\./.test(name));
    expect(named.filter((name) => !tried.has(name))).toEqual([]);
  });

  it.each(rounds(starts))(
    "%s in a start (%d): the call made again has one process, started once",
    async (point) => {
      const place = await makePlace(point);
      const { server: doomed, workspace } = place;
      await expect(ensure(doomed, workspace)).rejects.toThrow();
      const server = await place.next();
      const service = await ensure(server, workspace);
      expect(service).toMatchObject({ state: ServiceState.RUNNING, instance: 1, restartCount: 0 });
      const pids = readFileSync(join(workspace.cwd, "starts"), "utf8").trim().split("\n");
      expect(pids).toEqual([service.providerRef]);
      expect(isAlive(Number(service.providerRef))).toBe(true);
      await expectCounting(server, service.serviceId);
      const live = await server.client.listServices({ states: LIVE });
      expect(live.services.map(({ serviceId }) => serviceId)).toEqual([service.serviceId]);
    },
  );

  it.each(rounds(exits))(
    "%s in an exit (%d): the next one knows the true code and time",
    async (point) => {
      const place = await makePlace(point);
      const { server: doomed, workspace } = place;
      const { serviceId } = await ensure(doomed, workspace);
      writeFileSync(join(workspace.cwd, "end"), "");
      await eventually(() => !isAlive(doomed.pid));
      const died = Date.now();
      const server = await place.next();
      const service = await inState(server, serviceId, ServiceState.FAILED);
      expect(service).toMatchObject({ exit: { code: 7 }, providerRef: "", restartCount: 0 });
      const { exitTime } = service.exit ?? {};
      expect(exitTime && timestampMs(exitTime)).toBeLessThanOrEqual(died);
      await expectCounting(server, serviceId);
    },
  );

  it.each(rounds(stops))(
    "%s in a stop (%d): it goes on without the caller, who may ask again",
    async (point) => {
      const place = await makePlace(point);
      const { server: doomed, workspace } = place;
      const { serviceId, providerRef } = await ensure(doomed, workspace);
      const target = { case: "serviceId", value: serviceId } as const;
      await expect(doomed.client.stopServices({ target, force: true })).rejects.toThrow();
      const server = await place.next();
      await server.client.stopServices({ target, force: true });
      const service = await inState(server, serviceId, ServiceState.STOPPED);
      expect(service).toMatchObject({ stateReason: StateReason.STOP_REQUESTED, providerRef: "" });
      expect(service.exit).toBeDefined();
      expect(isAlive(Number(providerRef))).toBe(false);
      await expectCounting(server, serviceId);
    },
  );

  it.each(rounds(releases))(
    "%s in a release (%d): what nobody leases any more is stopped",
    async (point) => {
      const place = await makePlace(point);
      const { server: doomed, workspace } = place;
      const policy = { policy: { case: "onRunFinish", value: {} } } as StopPolicy;
      const { serviceId } = await ensure(doomed, workspace, { stopPolicy: policy });
      await expect(doomed.client.releaseRun({ runId: "run" })).rejects.toThrow();
      const server = await place.next();
      await inState(server, serviceId, ServiceState.STOPPED);
      await server.client.releaseRun({ runId: "run" });
      expect((await server.client.listLeases({ runIds: ["run"] })).leases).toEqual([]);
    },
  );

  it.each(rounds(adoptions))("%s while it adopts (%d): the third one adopts all", async (point) => {
    const place = await makePlace();
    const { server: first, workspace } = place;
    const before = await ensure(first, workspace);
    await first.kill("SIGKILL");
    await expect(place.next(point)).rejects.toThrow("ended with code");
    const server = await place.next();
    const { service } = await server.client.getService({ serviceId: before.serviceId });
    expect(service).toMatchObject({
      state: ServiceState.RUNNING,
      providerRef: before.providerRef,
      instance: 1,
      restartCount: 0,
      leaseRunIds: ["run"],
    });
    expect((await server.client.getRuntimeInfo({})).reconcile).toMatchObject({ adopted: 1 });
    await expectCounting(server, before.serviceId);
  });
});

const LIVE = [
  ServiceState.STARTING,
  ServiceState.RUNNING,
  ServiceState.STOPPING,
  ServiceState.BACKOFF,
];

function rounds(points: readonly FailpointName[]): [FailpointName, number][] {
  return points.flatMap((point) =>
    Array.from({ length: ROUNDS }, (_, round): [FailpointName, number] => [point, round + 1]),
  );
}

/** A data directory with a server that will die at the point, and a workspace. */
async function makePlace(point?: FailpointName) {
  const dataDir = mkdtempSync(join(tmpdir(), "wsrt-"));
  const begun: TestServer[] = [];
  const next = async (doomedAt?: FailpointName) => {
    const points = { WORKSPACE_RUNTIME_FAILPOINTS: `${doomedAt}=kill` };
    const server = await startServer({ dataDir, ...(doomedAt && { env: points }) });
    begun.push(server);
    return server;
  };
  onTestFinished(async () => {
    await begun.at(-1)?.stop();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  });
  const server = await next(point);
  const workspace = await realizePrimary(server);
  onTestFinished(() => workspace.remove());
  return { server, workspace, next };
}

async function ensure({ client }: TestServer, workspace: TestWorkspace, more: SpecInit = {}) {
  const { services } = await client.ensureServices({
    runId: "run",
    workspaceId: workspace.workspaceId,
    services: [shellService("ticker", TICKER, { cwd: realpathSync(workspace.cwd), ...more })],
  });
  const [service] = services;
  if (service === undefined) throw new Error("no service in the answer");
  return service;
}

function inState({ client }: TestServer, serviceId: string, state: ServiceState) {
  return eventually(async () => {
    const { service } = await client.getService({ serviceId });
    return service?.state === state && service;
  });
}

/** Its log holds 1, 2, 3 and so on, each line once. */
async function expectCounting({ client }: TestServer, serviceId: string): Promise<void> {
  const source = { case: "serviceId", value: serviceId } as const;
  const text = await eventually(async () => {
    const { chunks, gap } = await client.readLogs({ source });
    expect(gap).toBeUndefined();
    return chunks.map(({ content }) => content.value).join("");
  });
  const lines = text.split("\n").slice(0, -1).map(Number);
  expect(lines).toEqual(lines.map((_, index) => index + 1));
}
