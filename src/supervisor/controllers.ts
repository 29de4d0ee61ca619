import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { readProcessStat } from "./process-stat.ts";

/** What an instance's cgroup can bound. */
export type Controller = "memory" | "cpu" | "pids";

export const CONTROLLERS: readonly Controller[] = ["memory", "cpu", "pids"];

/** For each controller that cannot be had: why not. */
export type Unavailable = Partial<Record<Controller, string>>;

/**
 * Where this server's instances belong: beside it when it lives in a leaf of its own (systemd's
 * `DelegateSubgroup=daemon`, or an earlier `enableControllers`), else below it.
 */
export function homeOf(ownCgroup: string): string {
  return basename(ownCgroup) === LEAF ? dirname(ownCgroup) : ownCgroup;
}

/**
 * Hands the controllers down to `base`, a directory without processes below `home`, one by one, as far as the host
 * allows. The kernel does so only where no process lives: this server, with its own children, moves to the leaf
 * `<home>/daemon` if that is what it takes, and nobody else lives there; it moves back when it was of no use.
 */
export function enableControllers(
  home: string,
  base: string,
  controllers: readonly Controller[] = CONTROLLERS,
): Unavailable {
  const unavailable: Unavailable = {};
  const busy: Controller[] = [];
  for (const controller of controllers) {
    if (!words(home, "cgroup.controllers").includes(controller)) {
      unavailable[controller] = `no ${controller} controller in this server's cgroup`;
    } else if (!words(home, SUBTREE).includes(controller)) {
      const code = enable(home, controller);
      if (code === "EBUSY") busy.push(controller);
      else if (code !== undefined) unavailable[controller] = refused(controller, code);
    }
  }
  if (busy.length > 0) {
    const problem = moveToLeaf(home);
    for (const controller of busy) {
      const code = problem === undefined ? enable(home, controller) : undefined;
      const why = problem ?? (code && refused(controller, code));
      if (why !== undefined) unavailable[controller] = why;
    }
    if (problem === undefined && busy.every((controller) => unavailable[controller])) {
      moveBack(home);
    }
  }
  for (const controller of controllers) {
    if (unavailable[controller] !== undefined) continue;
    const code = enable(base, controller);
    if (code !== undefined) unavailable[controller] = refused(controller, code);
  }
  return unavailable;
}

const LEAF = "daemon";
const SUBTREE = "cgroup.subtree_control";
const PROCS = "cgroup.procs";

/** The error's code when it is refused. */
function enable(directory: string, controller: Controller): string | undefined {
  return write(join(directory, SUBTREE), `+${controller}`);
}

function moveToLeaf(home: string): string | undefined {
  const pids = words(home, PROCS).map(Number);
  if (!pids.every(isOurs)) return "other processes live in this server's cgroup";
  try {
    mkdirSync(join(home, LEAF), { recursive: true });
  } catch (error) {
    return `no cgroup for this server alone: ${codeOf(error)}`;
  }
  // Itself first: what it starts from now on is born there.
  for (const pid of [process.pid, ...pids]) {
    const code = write(join(home, LEAF, PROCS), String(pid));
    if (code !== undefined && code !== "ESRCH") {
      moveBack(home);
      return `this server could not move to a cgroup of its own: ${code}`;
    }
  }
  return undefined;
}

function moveBack(home: string): void {
  for (const pid of words(join(home, LEAF), PROCS)) write(join(home, PROCS), pid);
  try {
    rmdirSync(join(home, LEAF));
  } catch {
    // EBUSY: a child that was born meanwhile; an empty directory does no harm
  }
}

/** This process, or one that it started. */
function isOurs(pid: number): boolean {
  for (let at = pid; at > 1; at = readProcessStat(at)?.ppid ?? 0) {
    if (at === process.pid) return true;
  }
  // Ended since it was listed.
  return readProcessStat(pid) === undefined;
}

function words(directory: string, file: string): string[] {
  try {
    return readFileSync(join(directory, file), "utf8").split(/\s+/).filter(Boolean);
  } catch {
    return [];
  }
}

function write(path: string, text: string): string | undefined {
  try {
    writeFileSync(path, text, { flag: "r+" });
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

function refused(controller: Controller, code: string): string {
  return `the ${controller} controller may not be handed down here (${code})`;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
