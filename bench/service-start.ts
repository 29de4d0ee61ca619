import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { errorDetails } from "../src/client/index.ts";
import { httpService, shellService } from "../test/support/workspace.ts";
import { type Bench, type Measure, missing, sized } from "./support/bench.ts";
import { isMissing, withPm2 } from "./support/pm2.ts";
import { type Scene, withScene } from "./support/scene.ts";
import { alternate, median, medianRatio, quantile } from "./support/statistics.ts";
import { measureSupervisord } from "./support/supervisord.ts";
import { report } from "./support/table.ts";

const ROUNDS = sized(30, 5);
const FIRST_PORT = 47_100;

/**
 * A small HTTP server from the call to the answer that it is ready, against a bare `sh -c` of the same program
 * and a loop that tries its port without a pause; and how much later than the service itself says that it
 * listens the caller knows.
 */
export const serviceStart: Bench = {
  number: 8,
  title: "EnsureServices: start to ready, and readiness lag",
  run: () => withScene(measure),
};

async function measure(scene: Scene): Promise<Measure[]> {
  const rounds = await alternate(ROUNDS, {
    ours: (round) => startOurs(scene, round),
    bare: (round) => startBare(scene.directory, round),
  });
  const total = (name: keyof typeof rounds) => rounds[name].map((one) => one.totalMs);
  const lags = rounds.ours.map((one) => one.lagMs);
  const exits: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) exits.push(await exitLag(scene, round));
  const pm2 = await withPm2(async (daemon) => {
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const begun = performance.now();
      await daemon.start(`sleeper-${round}`, "exec sleep 600");
      times.push(performance.now() - begun);
      await daemon.stop(`sleeper-${round}`);
    }
    return median(times);
  });
  const supervisord = await measureSupervisord(ROUNDS);
  return [
    { what: "EnsureServices, caller to ready", value: median(total("ours")), unit: "ms" },
    { what: "`sh -c` and tight poll, spawn to ready", value: median(total("bare")), unit: "ms" },
    {
      what: "EnsureServices to `sh -c` and tight poll",
      value: medianRatio(total("ours"), total("bare")),
      unit: "×",
      target: { atMost: 1.25 },
    },
    { what: "readiness lag, median", value: median(lags), unit: "ms", target: { atMost: 10 } },
    { what: "readiness lag, p90", value: quantile(lags, 0.9), unit: "ms" },
    { what: "early exit to the caller's error, median", value: median(exits), unit: "ms" },
    isMissing(pm2)
      ? missing("PM2, start of a `sleep`", pm2.missing)
      : { what: "PM2, start of a `sleep` to online (nothing is probed)", value: pm2, unit: "ms" },
    typeof supervisord === "string"
      ? missing("supervisord, start of a `sleep`", supervisord)
      : { what: "supervisord, start of a `sleep` (startsecs=0)", value: supervisord, unit: "ms" },
  ];
}

/** Prints `listening <epoch ms>` to its log. */
async function startOurs(scene: Scene, round: number) {
  const begun = performance.now();
  const serviceId = await scene.start(httpService(`web-${round}`));
  const answered = performance.timeOrigin + performance.now();
  const totalMs = performance.now() - begun;
  const listening = await listeningTime(scene, serviceId);
  await scene.stop(serviceId);
  return { totalMs, lagMs: answered - listening };
}

/** Its line may still be on its way into the log when the answer is here already. */
async function listeningTime({ server }: Scene, serviceId: string): Promise<number> {
  const source = { case: "serviceId", value: serviceId } as const;
  for await (const { chunks } of server.client.streamLogs({ source, follow: true })) {
    for (const { content } of chunks) {
      const time = Number(/listening (\d+)/.exec(String(content.value))?.[1]);
      if (time > 0) return time;
    }
  }
  throw new Error("the service ended without a word");
}

/** From the exit as the kernel's clock has it to the caller's error. */
async function exitLag({ server, workspaceId }: Scene, round: number): Promise<number> {
  const spec = shellService(`bad-${round}`, "echo boom >&2; exit 3", {
    port: { port: { case: "auto", value: {} } },
    readiness: { timeout: { seconds: 5n } } as never,
  });
  const ensuring = server.client.ensureServices({ runId: "bad", workspaceId, services: [spec] });
  const error = await ensuring.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const answered = performance.timeOrigin + performance.now();
  const time = errorDetails(error)?.failures[0]?.exit?.exitTime;
  return answered - (Number(time?.seconds) * 1000 + (time?.nanos ?? 0) / 1e6);
}

async function startBare(directory: string, round: number) {
  const command = httpService("bare").process;
  if (command?.case !== "command") throw new Error("the program is no shell line");
  const port = FIRST_PORT + round;
  const begun = performance.now();
  const child = spawn("sh", ["-c", command.value], {
    cwd: directory,
    env: { ...process.env, PORT: String(port) },
    stdio: "ignore",
  });
  while (!(await accepts(port))) {
    // No pause: the fastest that anybody can know.
  }
  const totalMs = performance.now() - begun;
  await end(child);
  return { totalMs, lagMs: 0 };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

if (import.meta.main) await report(serviceStart);
