import { statSync } from "node:fs";
import { eventually } from "../test/support/eventually.ts";
import { shellService } from "../test/support/workspace.ts";
import { type Bench, type Measure, sized } from "./support/bench.ts";
import { clientOf, drain, drainBare, openLogs, type Transfer } from "./support/grpc-client.ts";
import { cpuMs, rssMb, watchRss } from "./support/process-cost.ts";
import { lines, stdoutOf } from "./support/programs.ts";
import { type BareServer, type Scene, withBareServer, withScene } from "./support/scene.ts";
import { alternate, median, medianRatio } from "./support/statistics.ts";
import { report } from "./support/table.ts";

const CLIENTS = 64;
const BYTES = sized(20_000_000, 2_000_000);
const ROUNDS = sized(5, 2);

/** All on one service, each with a connection of its own, each with all of its log, at the same time. */
export const manyClients: Bench = {
  number: 3,
  title: `${CLIENTS} clients on one service, ${BYTES / 1e6} MB each`,
  run: () => withScene((scene) => withBareServer((bare) => measure(scene, bare))),
};

async function measure(scene: Scene, bare: BareServer): Promise<Measure[]> {
  const { server } = scene;
  const serviceId = await scene.start(shellService("writer", lines(BYTES)));
  await eventually(() => statSync(stdoutOf(scene, serviceId)).size === BYTES, {
    timeoutMs: 60_000,
  });
  const [shape] = (await together(1, () => replay(scene, serviceId))).transfers;
  const messages = shape?.messages ?? 1;
  const size = Math.round((shape?.bytes ?? 0) / messages);

  const before = rssMb(server.pid);
  const mostRss = watchRss(server.pid);
  const rounds = await alternate(ROUNDS, {
    ours: () => withCpu(server.pid, () => together(CLIENTS, () => replay(scene, serviceId))),
    grpc: () => withCpu(bare.pid, () => together(CLIENTS, () => drainBare(bare, size, messages))),
  });
  const speeds = (name: keyof typeof rounds) => rounds[name].map((one) => one.speed);
  return [
    { what: "StreamLogs, all together", value: median(speeds("ours")), unit: "MB/s" },
    { what: "bare grpc-js, all together", value: median(speeds("grpc")), unit: "MB/s" },
    {
      what: "StreamLogs to bare grpc-js",
      value: medianRatio(speeds("ours"), speeds("grpc")),
      unit: "×",
    },
    {
      what: "server CPU to bare grpc-js",
      value: medianRatio(
        rounds.ours.map((one) => one.cpu),
        rounds.grpc.map((one) => one.cpu),
      ),
      unit: "×",
    },
    {
      what: "slowest client to the fastest, time",
      value: median(rounds.ours.map((one) => one.spread)),
      unit: "×",
    },
    { what: "server RSS more than before", value: mostRss() - before, unit: "MB" },
  ];
}

async function replay({ server }: Scene, serviceId: string): Promise<Transfer> {
  const client = clientOf(server);
  const transfer = await drain(openLogs(client, serviceId));
  client.close();
  return transfer;
}

async function together(count: number, run: () => Promise<Transfer>) {
  const begun = performance.now();
  const transfers = await Promise.all(Array.from({ length: count }, run));
  const seconds = (performance.now() - begun) / 1000;
  const bytes = transfers.reduce((sum, one) => sum + one.bytes, 0);
  const times = transfers.map((one) => one.seconds);
  const spread = Math.max(...times) / Math.min(...times);
  return { transfers, speed: bytes / seconds / 1e6, spread };
}

async function withCpu<T>(pid: number, run: () => Promise<T>): Promise<T & { cpu: number }> {
  const before = cpuMs(pid);
  const result = await run();
  return { ...result, cpu: cpuMs(pid) - before };
}

if (import.meta.main) await report(manyClients);
