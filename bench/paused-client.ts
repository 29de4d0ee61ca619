import { type Bench, type Measure, sized } from "./support/bench.ts";
import { rssMb, watchRss } from "./support/process-cost.ts";
import { waitingWriter } from "./support/programs.ts";
import { openReader, type Reader } from "./support/reader.ts";
import { type Scene, withScene } from "./support/scene.ts";
import { alternate, median, medianRatio } from "./support/statistics.ts";
import { report } from "./support/table.ts";

const CLIENTS = 16;
const BYTES = sized(60_000_000, 10_000_000);
const ROUNDS = sized(5, 2);

/**
 * What one client that stops reading costs the others, and whether it gets everything when it goes on: the
 * time until those that read have all that a service writes, with and without it.
 */
export const pausedClient: Bench = {
  number: 4,
  title: `One paused client among ${CLIENTS}, ${BYTES / 1e6} MB written at full speed`,
  run: () => withScene(measure),
};

async function measure(scene: Scene): Promise<Measure[]> {
  const { pid } = scene.server;
  const before = rssMb(pid);
  const mostRss = watchRss(pid);
  let runs = 0;
  const round = (pauses: boolean) => () => {
    runs += 1;
    return follow(scene, `writer-${runs}`, pauses);
  };
  const rounds = await alternate(ROUNDS, { none: round(false), one: round(true) });
  const seconds = (name: keyof typeof rounds) => rounds[name].map((one) => one.seconds);
  return [
    { what: "until 15 have all, with 16 reading", value: median(seconds("none")), unit: "s" },
    { what: "until 15 have all, with one paused", value: median(seconds("one")), unit: "s" },
    {
      what: "with one paused to none paused",
      value: medianRatio(seconds("one"), seconds("none")),
      unit: "×",
    },
    {
      what: "the paused one's time to catch up",
      value: median(rounds.one.map((one) => one.catchUp)),
      unit: "s",
    },
    { what: "server RSS more than before", value: mostRss() - before, unit: "MB" },
  ];
}

async function follow(scene: Scene, name: string, pauses: boolean) {
  const writer = waitingWriter(scene, name, BYTES);
  const serviceId = await scene.start(writer.spec);
  const readers: Reader[] = [];
  for (let client = 0; client < CLIENTS; client += 1) {
    readers.push(await openReader(scene, serviceId));
  }
  const [odd, ...others] = readers;
  if (pauses) odd?.pause();
  const begun = performance.now();
  writer.begin();
  await Promise.all(others.map((reader) => reader.reached(BYTES)));
  const seconds = (performance.now() - begun) / 1000;
  odd?.resume();
  await odd?.reached(BYTES);
  const catchUp = (performance.now() - begun) / 1000 - seconds;
  for (const reader of readers) reader.close();
  await scene.stop(serviceId);
  return { seconds, catchUp };
}

if (import.meta.main) await report(pausedClient);
