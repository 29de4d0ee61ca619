import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { eventually } from "../test/support/eventually.ts";
import { shellService } from "../test/support/workspace.ts";
import { type Bench, type Measure, sized } from "./support/bench.ts";
import {
  clientOf,
  drain,
  drainBare,
  drainHttp2,
  megabytesPerSecond,
  openLogs,
  type Transfer,
} from "./support/grpc-client.ts";
import { cpuMs } from "./support/process-cost.ts";
import { lines, stdoutOf } from "./support/programs.ts";
import { type Scene, withBareServer, withScene } from "./support/scene.ts";
import { alternate, median, medianRatio } from "./support/statistics.ts";
import { report } from "./support/table.ts";

const LOG_BYTES = sized(1_000_000_000, 100_000_000);
const ROUNDS = sized(5, 3);

/**
 * A log of 100-byte lines, replayed whole to one grpc-js client that decodes nothing, against bare
 * streams of messages of the same size and number, and against `cat` of the file.
 */
export const logReplay: Bench = {
  number: 1,
  title: `Replay of ${LOG_BYTES / 1e6} MB of 100-byte lines to one client`,
  run: () => withScene((scene) => withBareServer((bare) => measure(scene, bare))),
};

async function measure(scene: Scene, bare: Parameters<typeof drainBare>[0]): Promise<Measure[]> {
  const { server } = scene;
  const serviceId = await scene.start(
    shellService("writer", lines(LOG_BYTES), {
      logs: { maxBytes: BigInt(2 * LOG_BYTES) } as never,
    }),
  );
  const file = stdoutOf(scene, serviceId);
  await eventually(() => statSync(file).size === LOG_BYTES, {
    timeoutMs: 60_000,
    intervalMs: 100,
  });
  const shape = await replay(scene, serviceId);
  const size = Math.round(shape.bytes / shape.messages);

  const rounds = await alternate(ROUNDS, {
    ours: () => withCost(server.pid, () => replay(scene, serviceId)),
    grpc: () => withCost(bare.pid, () => drainBare(bare, size, shape.messages)),
    http2: () => withCost(bare.pid, () => drainHttp2(bare, size, shape.messages)),
    cat: () => withCost(bare.pid, () => cat(file)),
  });
  const speeds = (name: keyof typeof rounds) => rounds[name].map((one) => one.speed);
  const costs = (name: keyof typeof rounds) => rounds[name].map((one) => one.cpuPerGb);
  const bareSpeed = median(speeds("grpc"));
  return [
    {
      what: `StreamLogs, text, ${Math.round(size / 1024)} KiB messages`,
      value: median(speeds("ours")),
      unit: "MB/s",
      // The absolute target was set for a machine on which bare grpc-js gives 340.
      ...(bareSpeed >= 340 ? { target: { atLeast: 300 } } : {}),
    },
    { what: "bare grpc-js stream of equal messages", value: bareSpeed, unit: "MB/s" },
    {
      what: "StreamLogs to bare grpc-js",
      value: medianRatio(speeds("ours"), speeds("grpc")),
      unit: "×",
      target: { atLeast: 0.9 },
    },
    { what: "raw HTTP/2 stream", value: median(speeds("http2")), unit: "MB/s" },
    { what: "`cat` of the file into a pipe", value: median(speeds("cat")), unit: "MB/s" },
    { what: "server CPU of StreamLogs", value: median(costs("ours")), unit: "ms/GB" },
    { what: "server CPU of bare grpc-js", value: median(costs("grpc")), unit: "ms/GB" },
  ];
}

async function replay({ server }: Scene, serviceId: string): Promise<Transfer> {
  const client = clientOf(server);
  const transfer = await drain(openLogs(client, serviceId));
  client.close();
  return transfer;
}

async function cat(file: string): Promise<Transfer> {
  const begun = performance.now();
  const child = spawn("cat", [file], { stdio: ["ignore", "pipe", "inherit"] });
  let bytes = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  await once(child.stdout, "end");
  return { bytes, messages: 0, seconds: (performance.now() - begun) / 1000 };
}

async function withCost(pid: number, run: () => Promise<Transfer>) {
  const before = cpuMs(pid);
  const transfer = await run();
  const cpuPerGb = ((cpuMs(pid) - before) / transfer.bytes) * 1e9;
  return { speed: megabytesPerSecond(transfer), cpuPerGb };
}

if (import.meta.main) await report(logReplay);
