import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  WatchStatusRequestSchema,
  WatchStatusResponseSchema,
} from "../gen/workspace/runtime/v1/watch_pb.ts";
import { shellService } from "../test/support/workspace.ts";
import { type Bench, type Measure, sized } from "./support/bench.ts";
import { type ByteClient, clientOf, methodPath } from "./support/grpc-client.ts";
import { withStoredServices } from "./support/many-services.ts";
import { cpuMs, rssMb } from "./support/process-cost.ts";
import { type Scene, withScene } from "./support/scene.ts";
import { median, quantile } from "./support/statistics.ts";
import { report } from "./support/table.ts";

const WATCHERS = 100;
const CHANGES_PER_SECOND = 1_000;
const SECONDS = sized(10, 3);
/** Leases of one run: each renewal of the run changes all of them. */
const LEASES = 20;

const REQUEST = toBinary(WatchStatusRequestSchema, create(WatchStatusRequestSchema, {}));

/** Snapshots of stored services, and many changes to many watchers, who get the newest of each resource. */
export const watchStatus: Bench = {
  number: 9,
  title: `WatchStatus: snapshots; ${CHANGES_PER_SECOND} changes/s to ${WATCHERS} watchers`,
  async run() {
    const snapshots: Measure[] = [];
    for (const count of sized([1_000, 10_000], [100, 1_000])) {
      snapshots.push(...(await measureSnapshot(count)));
    }
    return [...snapshots, ...(await withScene(measureChanges))];
  },
};

function measureSnapshot(count: number): Promise<Measure[]> {
  return withStoredServices(count, async (server) => {
    const client = clientOf(server);
    const times: number[] = [];
    const costs: number[] = [];
    for (let round = 0; round <= sized(7, 3); round += 1) {
      const cpu = cpuMs(server.pid);
      const begun = performance.now();
      await snapshot(client);
      // The first round compiles the way.
      if (round === 0) continue;
      times.push(performance.now() - begun);
      costs.push(cpuMs(server.pid) - cpu);
    }
    client.close();
    return [
      { what: `snapshot of ${count} services`, value: median(times), unit: "ms" },
      { what: `snapshot of ${count} services, server CPU`, value: median(costs), unit: "ms" },
    ];
  });
}

async function snapshot(client: ByteClient): Promise<void> {
  const call = client.stream(methodPath("WatchStatus"), REQUEST);
  call.on("error", () => {});
  for await (const bytes of call) {
    const { snapshotComplete } = fromBinary(WatchStatusResponseSchema, bytes as Buffer);
    if (snapshotComplete) break;
  }
  call.cancel();
}

async function measureChanges(scene: Scene): Promise<Measure[]> {
  const { server, workspaceId } = scene;
  await server.client.ensureServices({
    runId: "renewed",
    workspaceId,
    services: Array.from({ length: LEASES - 1 }, (_, i) =>
      shellService(`sleeper-${i}`, "exec sleep 600"),
    ),
  });
  const client = clientOf(server);
  const calls = Array.from({ length: WATCHERS }, () =>
    client.stream(methodPath("WatchStatus"), REQUEST),
  );
  let messages = 0;
  const lags: number[] = [];
  let renewedAt = 0;
  for (const [watcher, call] of calls.entries()) {
    call.on("error", () => {});
    call.on("data", () => {
      messages += 1;
      if (watcher === WATCHERS - 1 && renewedAt > 0) lags.push(performance.now() - renewedAt);
    });
  }
  await Promise.all(calls.map((call) => new Promise((resolve) => call.once("data", resolve))));

  messages = 0;
  const rss = rssMb(server.pid);
  const cpu = cpuMs(server.pid);
  const begun = performance.now();
  const interval = (LEASES / CHANGES_PER_SECOND) * 1000;
  let renewals = 0;
  for (; renewals * interval < SECONDS * 1000; renewals += 1) {
    const due = begun + renewals * interval;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    renewedAt = performance.now();
    await server.client.renewRun({ runId: "renewed" });
  }
  const seconds = (performance.now() - begun) / 1000;
  const used = cpuMs(server.pid) - cpu;
  const growth = rssMb(server.pid) - rss;
  for (const call of calls) call.cancel();
  client.close();
  return [
    { what: "changes made", value: (renewals * LEASES) / seconds, unit: "/s" },
    { what: "messages to all watchers", value: messages / seconds, unit: "/s" },
    { what: "server CPU, of one core", value: used / seconds / 10, unit: "%" },
    { what: "last watcher after the newest change, median", value: median(lags), unit: "ms" },
    { what: "last watcher after the newest change, p99", value: quantile(lags, 0.99), unit: "ms" },
    { what: "server RSS more than before", value: growth, unit: "MB" },
  ];
}

if (import.meta.main) await report(watchStatus);
