import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, type Measure, sized } from "./support/bench.ts";
import { rssMb, watchRss } from "./support/process-cost.ts";
import { readTime, timedWriter, waitingWriter } from "./support/programs.ts";
import { openReader, type Reader } from "./support/reader.ts";
import { type Scene, withScene } from "./support/scene.ts";
import { alternate, median, medianRatio } from "./support/statistics.ts";
import { report } from "./support/table.ts";

const BYTES = sized(400_000_000, 40_000_000);
const ROUNDS = sized(5, 2);
const LIVE_BYTES_PER_SECOND = 1_000_000;

/**
 * How long a program needs to write its log, by its own clock: nobody reading, one at 1 MB/s, and 15 more that
 * stopped reading when their flow control was used up; against the same program into `cat >> file`.
 */
export const writerSpeed: Bench = {
  number: 6,
  title: `The writer's own speed, ${BYTES / 1e6} MB of 100-byte lines`,
  run: () => withScene(measure),
};

async function measure(scene: Scene): Promise<Measure[]> {
  const { pid } = scene.server;
  let runs = 0;
  const nextName = () => {
    runs += 1;
    return `writer-${runs}`;
  };
  // Once, so that what the server needs for its first readers is not counted as growth.
  await write(scene, nextName(), 1, 1);
  const before = rssMb(pid);
  const mostRss = watchRss(pid);
  const rounds = await alternate(ROUNDS, {
    file: () => writeToFile(scene, nextName()),
    alone: () => write(scene, nextName(), 0, 0),
    one: () => write(scene, nextName(), 1, 0),
    paused: () => write(scene, nextName(), 1, 15),
  });
  const speeds = (name: keyof typeof rounds) => rounds[name].map((ms) => BYTES / ms / 1e3);
  const kept = { atLeast: 0.95 };
  return [
    { what: "into `cat >> file`", value: median(speeds("file")), unit: "MB/s" },
    { what: "as a service, no reader", value: median(speeds("alone")), unit: "MB/s" },
    {
      what: "no reader to `cat >> file`",
      value: medianRatio(speeds("alone"), speeds("file")),
      unit: "×",
    },
    { what: "one reader at 1 MB/s", value: median(speeds("one")), unit: "MB/s" },
    {
      what: "one reader at 1 MB/s to no reader",
      value: medianRatio(speeds("one"), speeds("alone")),
      unit: "×",
    },
    { what: "15 paused and one at 1 MB/s", value: median(speeds("paused")), unit: "MB/s" },
    {
      what: "15 paused and one at 1 MB/s to no reader",
      value: medianRatio(speeds("paused"), speeds("alone")),
      unit: "×",
      target: kept,
    },
    {
      what: "server RSS more than before",
      value: mostRss() - before,
      unit: "MB",
      target: { atMost: 64 },
    },
  ];
}

async function write(scene: Scene, name: string, live: number, paused: number): Promise<number> {
  const writer = waitingWriter(scene, name, BYTES);
  const serviceId = await scene.start(writer.spec);
  const readers: Reader[] = [];
  for (let i = 0; i < live; i += 1) {
    readers.push(await openReader(scene, serviceId, { bytesPerSecond: LIVE_BYTES_PER_SECOND }));
  }
  for (let i = 0; i < paused; i += 1) {
    const reader = await openReader(scene, serviceId);
    reader.pause();
    readers.push(reader);
  }
  writer.begin();
  const ms = await writer.took();
  for (const reader of readers) reader.close();
  await scene.stop(serviceId);
  return ms;
}

async function writeToFile({ directory }: Scene, name: string): Promise<number> {
  const command = `{ ${timedWriter(name, BYTES)}; } | cat >> ${name}.log`;
  const child = spawn("sh", ["-c", command], { cwd: directory, stdio: "ignore" });
  writeFileSync(join(directory, `${name}.begin`), "");
  await once(child, "exit");
  return readTime(directory, name);
}

if (import.meta.main) await report(writerSpeed);
