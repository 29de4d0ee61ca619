import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceState } from "../gen/workspace/runtime/v1/service_pb.ts";
import { startServer, type TestServer } from "../test/support/server.ts";
import { realizePrimary, shellService } from "../test/support/workspace.ts";
import { type Bench, type Measure, sized } from "./support/bench.ts";
import { median } from "./support/statistics.ts";
import { report } from "./support/table.ts";

const MAIN = new URL("../src/main.ts", import.meta.url).pathname;
/** Services of one call. */
const AT_ONCE = 100;

const COUNTS = sized([0, 1_000], [0, 50]);
const ROUNDS = sized(5, 1);

/** A server that is spawned where its predecessor was killed, and the services of that live. */
export const coldStart: Bench = {
  number: 11,
  title: `Cold start with ${COUNTS.join(" and ")} living services`,
  async run() {
    const measures: Measure[] = [];
    for (const count of COUNTS) measures.push(...(await measure(count)));
    return measures;
  },
};

async function measure(count: number): Promise<Measure[]> {
  const starts = await measureColdStarts(count, ROUNDS);
  const of = (key: keyof ColdStart) => median(starts.map((start) => start[key]));
  return [
    {
      what: `spawn to \`adopted: ${of("adopted")}\``,
      value: of("adoptedMs"),
      unit: "ms",
      ...(count === 0 ? {} : { target: { atMost: 2_000 } }),
    },
    { what: `spawn to the first answer about health, ${count}`, value: of("healthMs"), unit: "ms" },
    { what: `longest wait for such an answer, ${count}`, value: of("slowestHealthMs"), unit: "ms" },
    { what: `the server's CPU until then, ${count}`, value: of("cpuMs"), unit: "ms" },
  ];
}

export interface ColdStart {
  readonly services: number;
  /** From the spawn of `serve` to its first answer about its health. */
  readonly healthMs: number;
  /** From the spawn to the ready line: everything that lives is adopted. */
  readonly adoptedMs: number;
  readonly adopted: number;
  /** What the server's process had used of the processors by then: comparable on a busy machine, too. */
  readonly cpuMs: number;
  /** The longest wait for an answer about health between these two. */
  readonly slowestHealthMs: number;
}

/**
 * How soon a server that finds `count` living services serves again, `rounds` times. Its predecessor is
 * killed; the services (each a `sleep` with its shim and writers) go on.
 */
export async function measureColdStarts(
  count: number,
  rounds: number,
  nodeArgs: readonly string[] = [],
): Promise<ColdStart[]> {
  const dataDir = mkdtempSync(join(tmpdir(), "wsrt-cold-"));
  const first = await startServer({ dataDir });
  const workspace = await realizePrimary(first);
  for (let begun = 0; begun < count; begun += AT_ONCE) {
    const length = Math.min(AT_ONCE, count - begun);
    await first.client.ensureServices({
      runId: "bench",
      workspaceId: workspace.workspaceId,
      services: Array.from({ length }, (_, index) =>
        shellService(`sleeper-${begun + index}`, "echo up; exec sleep 100000"),
      ),
    });
  }
  await first.kill("SIGKILL");
  const starts: ColdStart[] = [];
  for (let round = 0; round < rounds; round += 1) {
    starts.push({ services: count, ...(await startMeasured(dataDir, nodeArgs)) });
  }
  const last = await startServer({ dataDir });
  await stopAll(last);
  await last.stop();
  workspace.remove();
  rmSync(dataDir, { recursive: true, force: true });
  return starts;
}

/** Until none is left: a bench leaves no process, and `stop` of a test's server ends 500 at most. */
async function stopAll({ client }: TestServer): Promise<void> {
  for (;;) {
    const { services } = await client.listServices({
      states: [ServiceState.RUNNING],
      pageSize: 100,
    });
    if (services.length === 0) return;
    const stops = services.map(({ serviceId }) => {
      const target = { case: "serviceId", value: serviceId } as const;
      return client.stopServices({ target, force: true, gracePeriod: { seconds: 0n, nanos: 0 } });
    });
    await Promise.all(stops);
  }
}

async function startMeasured(dataDir: string, nodeArgs: readonly string[]) {
  const port = await freePort();
  const begun = performance.now();
  const server = spawn(
    process.execPath,
    [...nodeArgs, MAIN, "serve", "--listen", `127.0.0.1:${port}`, "--data-dir", dataDir],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const asking = askHealth(port, begun);
  const adopted = await adoptedOf(server);
  const adoptedMs = performance.now() - begun;
  const cpuMs = usedCpuMs(server.pid ?? 0);
  const { healthMs, slowestHealthMs } = await asking.end();
  server.kill("SIGTERM");
  await once(server, "exit");
  return { healthMs, adoptedMs, adopted, cpuMs, slowestHealthMs };
}

/** User and system time of a process and its threads, from the kernel's 10 ms ticks. */
function usedCpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** What the log line of a server that is ready says of its adoptions. */
async function adoptedOf(server: ChildProcess): Promise<number> {
  let told = "";
  server.stderr?.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  await once(server.stdout as NodeJS.ReadableStream, "data");
  for (;;) {
    const line = told.split("\n").find((text) => text.includes('"adopted"'));
    if (line !== undefined) return (JSON.parse(line) as { adopted: number }).adopted;
    await sleep(5);
  }
}

/** Asks every few milliseconds, one question at a time. */
function askHealth(port: number, begun: number) {
  let ended = false;
  let healthMs = 0;
  let slowestHealthMs = 0;
  const asking = (async () => {
    while (!ended) {
      const asked = performance.now();
      const answered = await ask(port);
      if (answered && healthMs === 0) healthMs = performance.now() - begun;
      if (answered) slowestHealthMs = Math.max(slowestHealthMs, performance.now() - asked);
      await sleep(5);
    }
  })();
  return {
    async end() {
      ended = true;
      await asking;
      return { healthMs, slowestHealthMs };
    },
  };
}

function ask(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port, path: "/healthz", agent: false }, (answer) => {
      answer.resume().on("end", () => resolve(true));
    });
    request.on("error", () => resolve(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

if (import.meta.main) await report(coldStart);
