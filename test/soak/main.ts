// Thousands of services started and stopped, thousands of streams opened and dropped: the server holds no more than
// before. See docs/reliability.md.
//   npm run soak -- --starts 10000 --streams 10000 --wave 10
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { eventually } from "../support/eventually.ts";
import { interrupted } from "../support/interrupted.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { realizePrimary, shellService } from "../support/workspace.ts";
import { judge } from "./flat.ts";
import { measureHeap, type Sample, snapshotOptions, takeSample } from "./sample.ts";
import { startAndStop } from "./starts.ts";
import { openAndDrop } from "./streams.ts";

/** Samples, each after its share of the work; the first ones are the warm-up. */
const ROUNDS = 12;
const WARM_UP = 3;

const { values } = parseArgs({
  options: {
    starts: { type: "string", default: "60" },
    streams: { type: "string", default: "600" },
    wave: { type: "string", default: "10" },
  },
});
const [starts, streams, wave] = [values.starts, values.streams, values.wave].map(Number) as [
  number,
  number,
  number,
];
const began = performance.now();
const directory = mkdtempSync(join(tmpdir(), "wsrt-soak-"));
const dataDir = join(directory, "data");
const server = await startServer({ dataDir, env: { NODE_OPTIONS: snapshotOptions(dataDir) } });
const workspace = await realizePrimary(server);
const samples: Sample[] = [];
const heaps: number[] = [];
try {
  await Promise.race([soak(), interrupted()]);
} finally {
  await server.stop();
  workspace.remove();
  rmSync(directory, { recursive: true, force: true });
}
const judged = judge(samples, heaps);
console.table(Object.fromEntries(judged.map(({ name, ...rest }) => [name, rest])));
const seconds = Math.round((performance.now() - began) / 1000);
console.log(
  JSON.stringify({ starts, streams, seconds, grown: judged.filter((one) => !one.isFlat) }),
);
process.exit(judged.every(({ isFlat }) => isFlat) ? 0 : 1);

async function soak(): Promise<void> {
  const { services } = await server.client.ensureServices({
    runId: "chatter",
    workspaceId: workspace.workspaceId,
    services: [shellService("chatter", "while :; do echo line; sleep 0.2; done")],
  });
  const chatter = services[0]?.serviceId ?? "";
  for (let round = 0; round < ROUNDS; round += 1) {
    await startAndStop(server, workspace, Math.ceil(starts / ROUNDS), wave);
    await openAndDrop(server, chatter, Math.ceil(streams / ROUNDS), wave);
    const sample = await atRest(server);
    const seconds = Math.round((performance.now() - began) / 1000);
    console.log(`${String(seconds).padStart(5)} s  ${JSON.stringify(sample)}`);
    if (round >= WARM_UP) samples.push(sample);
    if (round === WARM_UP || round === ROUNDS - 1) heaps.push(await measureHeap(server));
  }
}

/** With what has ended collected, and no stream open any more. */
async function atRest(server: TestServer): Promise<Sample> {
  const now = { seconds: 0n, nanos: 0 };
  await server.client.collectGarbage({ serviceAge: now, operationAge: now });
  return eventually(
    async () => {
      const sample = await takeSample(server);
      const { log_readers, status_watchers, live_services } = sample;
      return log_readers === 0 && status_watchers === 0 && live_services === 1 && sample;
    },
    { timeoutMs: 30_000, intervalMs: 50 },
  );
}
