import { shellService } from "../test/support/workspace.ts";
import { type Bench, type Measure, missing, sized } from "./support/bench.ts";
import { isMissing, withPm2 } from "./support/pm2.ts";
import { cpuMs, descendants, pssKb, rssMb } from "./support/process-cost.ts";
import { type Scene, withScene } from "./support/scene.ts";
import { median } from "./support/statistics.ts";
import { report } from "./support/table.ts";

const SERVICES = sized(1_000, 50);
const AT_ONCE = 50;
/** What is done once for each, such as to find who writes its log, is done by then. */
const SETTLED_MS = sized(45_000, 3_000);
const WATCHED_SECONDS = sized(30, 5);
const PM2_PROCESSES = sized(20, 5);

/** Services that do nothing (`sleep`), and what it costs that they are supervised. */
export const idleCost: Bench = {
  number: 10,
  title: `Idle cost of ${SERVICES} supervised services`,
  run: () => withScene(measure),
};

async function measure(scene: Scene): Promise<Measure[]> {
  const { server } = scene;
  const empty = rssMb(server.pid);
  const ids = await startMany(scene, SERVICES);
  await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));

  const before = cpuMs(server.pid);
  await new Promise((resolve) => setTimeout(resolve, WATCHED_SECONDS * 1000));
  const idle = (cpuMs(server.pid) - before) / WATCHED_SECONDS / 10;
  const rss = rssMb(server.pid);
  const below = descendants(server.pid);
  const commands = below.filter(({ name }) => name === "sleep");
  const helpers = below.filter(({ name }) => name !== "sleep");
  const pss = helpers.reduce((sum, { pid }) => sum + pssKb(pid), 0) / commands.length;
  for (let begun = 0; begun < ids.length; begun += AT_ONCE) {
    await Promise.all(ids.slice(begun, begun + AT_ONCE).map((id) => scene.stop(id)));
  }
  return [
    { what: "daemon RSS without a service", value: empty, unit: "MB" },
    { what: `daemon RSS with ${SERVICES}`, value: rss, unit: "MB", target: { atMost: 200 } },
    { what: "daemon CPU, of one core", value: idle, unit: "%", target: { atMost: 1 } },
    {
      what: `helpers' PSS a service (${helpers.length} processes of ${commands.length} services)`,
      value: pss,
      unit: "KB",
      target: { atMost: 480 },
    },
    ...(await measurePm2()),
  ];
}

async function startMany(scene: Scene, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let begun = 0; begun < count; begun += AT_ONCE) {
    const length = Math.min(AT_ONCE, count - begun);
    const { services } = await scene.server.client.ensureServices({
      runId: "idle",
      workspaceId: scene.workspaceId,
      services: Array.from({ length }, (_, i) =>
        shellService(`sleeper-${begun + i}`, "exec sleep 100000"),
      ),
    });
    ids.push(...services.map(({ serviceId }) => serviceId));
  }
  return ids;
}

async function measurePm2(): Promise<Measure[]> {
  const result = await withPm2(async (pm2) => {
    const before = rssMb(pm2.daemonPid);
    for (let i = 0; i < PM2_PROCESSES; i += 1) await pm2.start(`sleeper-${i}`, "exec sleep 600");
    const cpu: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const used = cpuMs(pm2.daemonPid);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      cpu.push((cpuMs(pm2.daemonPid) - used) / 10);
    }
    return { before, rss: rssMb(pm2.daemonPid), cpu: median(cpu) };
  });
  if (isMissing(result)) return [missing("PM2's daemon", result.missing)];
  return [
    { what: "PM2's daemon, RSS without a process", value: result.before, unit: "MB" },
    { what: `PM2's daemon, RSS with ${PM2_PROCESSES}`, value: result.rss, unit: "MB" },
    { what: "PM2's daemon, CPU, of one core", value: result.cpu, unit: "%" },
  ];
}

if (import.meta.main) await report(idleCost);
