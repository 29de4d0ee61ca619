import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { type Cgroups, createCgroups } from "./cgroup.ts";
import { CONTROLLERS, type Unavailable } from "./controllers.ts";
import type { Platform } from "./platform.ts";

/** By what a stop can be proved on this host: CGROUP, else SUBREAPER, else SCAN. */
export interface Capabilities {
  readonly cgroups: Cgroups | undefined;
  /** What to put before the shim's shell to make the shim a subreaper; empty: it cannot be one, or need not. */
  readonly subreaper: readonly string[];
  /** The limits that an instance cannot be given, each with the reason. */
  readonly unavailable: Unavailable;
}

export interface ProbeOptions {
  readonly installationId: string;
  readonly platform: Platform;
  /** The strongest proof to use. Default CGROUP. */
  readonly strongest?: "CGROUP" | "SUBREAPER" | "SCAN";
}

/** Tries each for real: a directory that can be made says nothing about a process that may join. */
export async function probeCapabilities(options: ProbeOptions): Promise<Capabilities> {
  const { installationId, platform, strongest = "CGROUP" } = options;
  if (!platform.proc) return { cgroups: undefined, subreaper: [], unavailable: {} };
  let cgroups = strongest === "CGROUP" ? await probeCgroups(installationId) : undefined;
  const unavailable = cgroups?.enableControllers() ?? {};
  // Where the server had to move for that, what worked before is tried once more.
  if (cgroups !== undefined && CONTROLLERS.some((name) => unavailable[name] === undefined)) {
    cgroups = await probeCgroups(installationId);
  }
  // Perl costs each start some 4 ms, and what it buys the cgroup gives already, and better.
  const subreaper = cgroups === undefined && strongest !== "SCAN" ? await probeSubreaper() : [];
  return { cgroups, subreaper, unavailable };
}

/** Puts a process into a cgroup, kills it there and removes the cgroup. */
async function probeCgroups(installationId: string): Promise<Cgroups | undefined> {
  const cgroups = createCgroups(installationId);
  if (cgroups === undefined) return undefined;
  try {
    const cgroup = cgroups.create(`probe-${process.pid}-${process.hrtime.bigint()}`);
    try {
      const child = spawn(
        "/bin/sh",
        ["-c", 'echo 0 >"$0/cgroup.procs" && echo in && read -r _', cgroup.path],
        {
          stdio: ["pipe", "pipe", "ignore"],
        },
      );
      const ended = once(child, "exit");
      await Promise.race([once(child.stdout, "data"), ended]);
      const joined = cgroup.populated();
      cgroup.kill();
      child.stdin.end();
      const [, signal] = await ended;
      return joined && signal === "SIGKILL" ? cgroups : undefined;
    } finally {
      cgroup.remove();
    }
  } catch {
    return undefined;
  }
}

/** prctl(PR_SET_CHILD_SUBREAPER), kept over exec: orphans of the service's tree become the shim's children. */
async function probeSubreaper(): Promise<readonly string[]> {
  const prctl = PRCTL[process.arch];
  if (prctl === undefined) return [];
  const program = `exit 1 if syscall(${prctl}, 36, 1, 0, 0, 0); @ARGV or exit 0; exec @ARGV`;
  try {
    await promisify(execFile)("perl", ["-e", program], { timeout: 5000 });
    return ["perl", "-e", program];
  } catch {
    return [];
  }
}

/** The number of the system call. */
const PRCTL: Partial<Record<NodeJS.Architecture, number>> = { x64: 157, arm64: 167 };
