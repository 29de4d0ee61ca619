import { once } from "node:events";
import { fromBinary } from "@bufbuild/protobuf";
import { StreamLogsResponseSchema } from "../gen/workspace/runtime/v1/log_pb.ts";
import { shellService } from "../test/support/workspace.ts";
import { type Bench, type Measure, missing, sized } from "./support/bench.ts";
import { clientOf, openLogs } from "./support/grpc-client.ts";
import { isMissing, withPm2 } from "./support/pm2.ts";
import { type Scene, withScene } from "./support/scene.ts";
import { median, quantile } from "./support/statistics.ts";
import { report } from "./support/table.ts";

const LINES = sized(1_000, 200);
const INTERVAL_MS = 10;

/** Writes the time, in milliseconds with fractions, on each line. */
const PROGRAM = `let left = ${LINES}; const timer = setInterval(() => {
  process.stdout.write((performance.timeOrigin + performance.now()).toFixed(3) + " ".repeat(80) + "\\n");
  if (--left === 0) clearInterval(timer);
}, ${INTERVAL_MS}); setInterval(() => {}, 60000);`;
const COMMAND = `exec '${process.execPath}' -e '${PROGRAM.replaceAll("\n", " ")}'`;

/** From the service's write to the client that follows, one line each 10 ms. */
export const logLatency: Bench = {
  number: 5,
  title: `Write to client, ${1000 / INTERVAL_MS} lines/s`,
  run: () => withScene(measure),
};

async function measure(scene: Scene): Promise<Measure[]> {
  const ours = await follow(scene);
  const pm2 = await withPm2((daemon) =>
    collect(async (take) => {
      await daemon.onOutput(take);
      await daemon.start("writer", COMMAND);
    }),
  );
  return [
    { what: "StreamLogs, median", value: median(ours), unit: "ms", target: { atMost: 5 } },
    { what: "StreamLogs, p99", value: quantile(ours, 0.99), unit: "ms", target: { atMost: 25 } },
    ...(isMissing(pm2)
      ? [missing("PM2's log bus", pm2.missing)]
      : [
          { what: "PM2's log bus, median", value: median(pm2), unit: "ms" },
          { what: "PM2's log bus, p99", value: quantile(pm2, 0.99), unit: "ms" },
        ]),
  ];
}

function follow(scene: Scene): Promise<number[]> {
  return collect(async (take) => {
    const serviceId = await scene.start(shellService("writer", `sleep 1; ${COMMAND}`));
    const client = clientOf(scene.server);
    const call = openLogs(client, serviceId, { follow: true });
    call.on("error", () => client.close());
    call.on("data", (bytes: Buffer) => {
      for (const { content } of fromBinary(StreamLogsResponseSchema, bytes).chunks) {
        take(String(content.value));
      }
    });
    await once(call, "data");
    return () => call.cancel();
  });
}

/** The lag of each line, as `listen` hands them on. */
async function collect(
  listen: (take: (text: string) => void) => Promise<(() => void) | undefined>,
): Promise<number[]> {
  const lags: number[] = [];
  const all = Promise.withResolvers<void>();
  const end = await listen((text) => {
    const now = performance.timeOrigin + performance.now();
    for (const line of text.split("\n")) if (line !== "") lags.push(now - Number(line));
    if (lags.length >= LINES) all.resolve();
  });
  await all.promise;
  end?.();
  return lags;
}

if (import.meta.main) await report(logLatency);
