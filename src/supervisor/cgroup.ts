import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { enableControllers, homeOf, type Unavailable } from "./controllers.ts";

/** One instance's cgroup (v2). Its members cannot leave it without rights that a service rarely has. */
export interface Cgroup {
  readonly path: string;
  /** Whether any process lives in it or below; false when it was removed. */
  populated(): boolean;
  /** The numbers of all processes in it and below. */
  pids(): number[];
  /** SIGKILL to every member, also those being forked. */
  kill(): void;
  /** True: it is gone, so nothing lives in it and nothing can join it. False: something does (again). */
  remove(): boolean;
}

export interface Cgroups {
  create(name: string): Cgroup;
  /** Makes limits possible for the instances made from now on, as far as the host allows; says what is missing. */
  enableControllers(): Unavailable;
  /** Removes the installation's directory if no instance is left in it. */
  close(): void;
}

/** Whether the hierarchy in which `path` was made can be seen: only then does its absence mean that it was removed. */
export function isCgroupVisible(path: string): boolean {
  return existsSync(join(path, "..", "..", "cgroup.procs"));
}

/** The cgroup that an earlier server made. */
export function openCgroup(path: string): Cgroup {
  return {
    path,
    populated: () => /^populated 1$/m.test(read(join(path, "cgroup.events"))),
    pids: () =>
      [path, ...below(path)].flatMap((directory) =>
        read(join(directory, "cgroup.procs"))
          .split("\n")
          .map(Number)
          .filter((pid) => pid > 1),
      ),
    kill: () => ignoreGone(() => writeFileSync(join(path, "cgroup.kill"), "1")),
    remove() {
      try {
        for (const directory of [...below(path).reverse(), path]) rmdirSync(directory);
      } catch (error) {
        if (!isGone(error)) return false;
      }
      return !existsSync(path);
    },
  };
}

/**
 * Makes a directory for this installation's instances below our own cgroup (or beside it: see `homeOf`), and undefined
 * where that cannot be: no unified hierarchy, not writable, or a kernel without cgroup.kill (before 5.14). Whether a
 * process may join is for the caller to try.
 */
export function createCgroups(installationId: string): Cgroups | undefined {
  const own = ownCgroup();
  if (own === undefined) return undefined;
  const home = homeOf(own);
  const base = join(home, `workspace-runtime-${installationId}`);
  try {
    mkdirSync(base, { recursive: true });
  } catch {
    return undefined;
  }
  if (!existsSync(join(base, "cgroup.kill"))) return undefined;
  return {
    enableControllers: () => enableControllers(home, base),
    create(name) {
      const path = join(base, name);
      // One that is there was left by a server that died before it started anything in it.
      mkdirSync(path, { recursive: true });
      const cgroup = openCgroup(path);
      if (cgroup.populated()) throw new Error(`${path} has members`);
      return cgroup;
    },
    close() {
      try {
        rmdirSync(base);
      } catch {
        // EBUSY: services live on in it
      }
    },
  };
}

/** Where our own cgroup is mounted: in a hybrid host that is not /sys/fs/cgroup itself. */
function ownCgroup(): string | undefined {
  const own = /^0::(\/.*)$/m.exec(read("/proc/self/cgroup"))?.[1];
  for (const line of read("/proc/self/mountinfo").split("\n")) {
    const [mount = "", type = ""] = line.split(" - ");
    if (!type.startsWith("cgroup2 ")) continue;
    const [, , , root = "", point = ""] = mount.split(" ");
    if (own === undefined) return undefined;
    const path = relative(root, own);
    // A cgroup outside of what is mounted here (a container's view of its host) is out of reach.
    return path.startsWith("..") || root.startsWith("/..") ? undefined : join(point, path);
  }
  return undefined;
}

/** All directories below, parents before children. */
function below(path: string): string[] {
  let entries: import("node:fs").Dirent[];
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => [join(path, entry.name), ...below(join(path, entry.name))]);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isGone(error)) return "";
    throw error;
  }
}

function ignoreGone(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENODEV"; // ENODEV: removed while the file was open
}
