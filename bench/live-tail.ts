import { statSync } from "node:fs";
import { eventually } from "../test/support/eventually.ts";
import { type Bench, type Measure, missing, sized } from "./support/bench.ts";
import { isMissing, withPm2 } from "./support/pm2.ts";
import { lines, stdoutOf, waitingWriter } from "./support/programs.ts";
import { openReader } from "./support/reader.ts";
import { type Scene, withScene } from "./support/scene.ts";
import { median } from "./support/statistics.ts";
import { report } from "./support/table.ts";

const BYTES = sized(1_000_000_000, 100_000_000);
const ROUNDS = sized(3, 1);
/** It is slow: enough to tell. */
const PM2_BYTES = sized(40_000_000, 4_000_000);

/**
 * A service writes 100-byte lines as fast as it can while one client follows. Counted is what the client had
 * when the writer stopped: what it catches up with later is replay.
 */
export const liveTail: Bench = {
  number: 2,
  title: `Live tail while the service writes ${BYTES / 1e6} MB at full speed`,
  run: () => withScene(measure),
};

async function measure(scene: Scene): Promise<Measure[]> {
  const tails: number[] = [];
  const writers: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const { tail, writer } = await follow(scene, round);
    tails.push(tail);
    writers.push(writer);
  }
  const ours = median(tails);
  const bus = await measurePm2Bus();
  return [
    {
      what: "StreamLogs, while it is written",
      value: ours,
      unit: "MB/s",
      target: { atLeast: 150 },
    },
    { what: "the writer meanwhile", value: median(writers), unit: "MB/s" },
    ...(isMissing(bus)
      ? [missing("PM2's log bus", bus.missing)]
      : [
          { what: "PM2's log bus, the same lines", value: bus, unit: "MB/s" },
          { what: "StreamLogs to PM2's log bus", value: ours / bus, unit: "×" },
        ]),
  ];
}

async function follow(scene: Scene, round: number) {
  const writer = waitingWriter(scene, `writer-${round}`, BYTES);
  const serviceId = await scene.start(writer.spec);
  const file = stdoutOf(scene, serviceId);
  const reader = await openReader(scene, serviceId);
  const begun = performance.now();
  writer.begin();
  await eventually(() => statSync(file).size >= BYTES, { timeoutMs: 120_000, intervalMs: 2 });
  const seconds = (performance.now() - begun) / 1000;
  const { bytes } = reader;
  await reader.reached(BYTES);
  reader.close();
  await scene.stop(serviceId);
  return { tail: bytes / seconds / 1e6, writer: BYTES / seconds / 1e6 };
}

function measurePm2Bus() {
  return withPm2(async (pm2) => {
    let bytes = 0;
    const off = await pm2.onOutput((text) => {
      bytes += text.length;
    });
    const begun = performance.now();
    await pm2.start("writer", lines(PM2_BYTES));
    await eventually(() => bytes >= PM2_BYTES, { timeoutMs: 120_000, intervalMs: 5 });
    const seconds = (performance.now() - begun) / 1000;
    off();
    return bytes / seconds / 1e6;
  });
}

if (import.meta.main) await report(liveTail);
