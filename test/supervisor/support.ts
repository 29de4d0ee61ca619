import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSystemClock } from "../../src/clock.ts";
import { isLive, readProcessStat } from "../../src/supervisor/process-stat.ts";
import {
  createSupervisor,
  type Instance,
  type StartRequest,
  type Supervisor,
  type SupervisorOptions,
} from "../../src/supervisor/supervisor.ts";

export const PROOFS = ["CGROUP", "SUBREAPER", "SCAN"] as const;
export type Proof = (typeof PROOFS)[number];

/** A temporary data directory with as many supervisors, one after another, as a test wants. */
export interface House {
  readonly directory: string;
  readonly installationId: string;
  /** A server's start. The one before should be closed, or forgotten as if it had been killed. */
  supervisor(options?: Partial<SupervisorOptions>): Promise<Supervisor>;
  /** Starts a shell command, or argv; the supervisor is the newest. */
  start(command: string | readonly string[], options?: Partial<StartRequest>): Promise<Instance>;
  /** What `service` logged so far. */
  log(stream?: "stdout" | "stderr", service?: string): string;
  directoryOf(instanceId: string): string;
  /** Ends every process of this house, shims included, and removes the directory. */
  close(): Promise<void>;
}

export function createHouse(parent: string = tmpdir()): House {
  const directory = realpathSync(mkdtempSync(join(parent, "supervisor-")));
  const installationId = randomUUID();
  const supervisors: Supervisor[] = [];
  let count = 0;
  const directoryOf = (instanceId: string) => join(directory, "instances", instanceId);
  return {
    directory,
    installationId,
    directoryOf,
    async supervisor(options = {}) {
      const supervisor = await createSupervisor({
        installationId,
        runtimeDirectory: join(directory, "runtime"),
        clock: createSystemClock(),
        ...options,
      });
      supervisors.push(supervisor);
      return supervisor;
    },
    async start(command, options = {}) {
      count += 1;
      const instanceId = options.instanceId ?? `service-${count}`;
      const supervisor = supervisors.at(-1);
      if (supervisor === undefined) throw new Error("no supervisor");
      return supervisor.start({
        instanceId,
        directory: directoryOf(instanceId),
        logsDirectory: join(directory, "logs"),
        cwd: directory,
        command:
          typeof command === "string"
            ? { kind: "command", command, shell: "/bin/sh" }
            : { kind: "argv", args: command },
        env: { PATH: process.env.PATH ?? "/usr/bin:/bin" },
        stdin: "OPEN",
        ...options,
      });
    },
    log: (stream = "stdout", service = "logs") =>
      readFileSync(join(directory, service, `${stream}.log`), "utf8"),
    async close() {
      for (const supervisor of supervisors) await supervisor.close();
      for (let pass = 0; pass < 50; pass += 1) {
        const left = processesOf(installationId);
        if (left.length === 0) break;
        for (const pid of left) {
          try {
            process.kill(pid, "SIGKILL");
          } catch {
            // ended by itself
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      removeCgroups(installationId);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Live processes whose environment names the installation: services, shims and writers. */
export function processesOf(installationId: string): number[] {
  return livePids().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "latin1").includes(installationId);
    } catch {
      return false;
    }
  });
}

/** Live processes with `text` somewhere in their command line, other than this one. */
export function processesWith(text: string): number[] {
  return livePids().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(text);
    } catch {
      return false;
    }
  });
}

export function lives(pid: number): boolean {
  const stat = readProcessStat(pid);
  return stat !== undefined && isLive(stat);
}

/** The shim's pid, from its claim. */
export function shimOf(instance: Instance): number {
  return Number.parseInt(readFileSync(join(instance.directory, "claim"), "utf8"), 10);
}

/** The processes of the shim's session but itself: writers and their cats. */
export function writersOf(instance: Instance): number[] {
  const shim = shimOf(instance);
  return livePids().filter((pid) => pid !== shim && readProcessStat(pid)?.session === shim);
}

export function fixture(name: string): string {
  return join(import.meta.dirname, "..", "fixtures", "processes", name);
}

export const isRoot = process.getuid?.() === 0;

/** A tmpfs of so many bytes, or undefined where mounting is not permitted. */
export function mountTmpfs(path: string, bytes: number): (() => void) | undefined {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "none", path], {
      stdio: "ignore",
    });
  } catch {
    return undefined;
  }
  return () => execFileSync("umount", ["-l", path], { stdio: "ignore" });
}

function livePids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && lives(pid));
}

/** Killed supervisors leave theirs. */
function removeCgroups(installationId: string): void {
  for (const root of ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]) {
    const base = join(root, `workspace-runtime-${installationId}`);
    if (!existsSync(join(base, "cgroup.procs"))) continue;
    try {
      execFileSync("find", [base, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], {
        stdio: "ignore",
      });
    } catch {
      // a process of it lives: the test that left it will say so
    }
  }
}
