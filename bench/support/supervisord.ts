import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../test/support/eventually.ts";
import { median } from "./statistics.ts";

/** Median milliseconds of its `startProcess`, over its own control program; words where it is not installed. */
export async function measureSupervisord(rounds: number): Promise<number | string> {
  if (spawnSync("supervisord", ["--version"]).status !== 0) return "not installed";
  const directory = mkdtempSync(join(tmpdir(), "bench-supervisord-"));
  const configuration = join(directory, "supervisord.conf");
  writeFileSync(configuration, configure(directory));
  const daemon = spawn("supervisord", ["--nodaemon", "--configuration", configuration], {
    cwd: directory,
    stdio: "ignore",
  });
  const ended = once(daemon, "exit");
  const control = (...words: string[]) =>
    spawnSync("supervisorctl", ["--configuration", configuration, ...words], { cwd: directory });
  try {
    await eventually(() => control("pid").status === 0, { timeoutMs: 20_000, intervalMs: 50 });
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const idle = milliseconds(() => control("pid"));
      const start = milliseconds(() => control("start", "sleeper"));
      // The control program is a Python that starts anew: what it costs to ask for nothing is not the start's.
      times.push(Math.max(0, start - idle));
      control("stop", "sleeper");
    }
    return median(times);
  } finally {
    daemon.kill("SIGTERM");
    await ended;
    rmSync(directory, { recursive: true, force: true });
  }
}

function configure(directory: string): string {
  return `[supervisord]
logfile=${directory}/supervisord.log
pidfile=${directory}/supervisord.pid
[unix_http_server]
file=${directory}/control.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://${directory}/control.sock
[program:sleeper]
command=sleep 600
autostart=false
startsecs=0
`;
}

function milliseconds(run: () => unknown): number {
  const begun = performance.now();
  run();
  return performance.now() - begun;
}
