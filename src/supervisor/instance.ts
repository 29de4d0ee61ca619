import { readFile, realpath } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { invalidField } from "../errors.ts";
import type { Failpoints } from "../failpoints.ts";
import { findBusyPorts } from "./busy-ports.ts";
import { isCgroupVisible, openCgroup } from "./cgroup.ts";
import { createCgroupHold } from "./cgroup-hold.ts";
import { watchEnding } from "./ending.ts";
import type { Exit } from "./exit-status.ts";
import { createGroupHold } from "./group-hold.ts";
import type { Hold } from "./hold.ts";
import { isAlive, type LocalProcess, type ProcessIdentity } from "./identity.ts";
import { FILES, type InstanceRecord, readDrained, removeSecrets } from "./instance-directory.ts";
import { wasOomKilled } from "./limits.ts";
import { isListenedBy, listListeners } from "./listeners.ts";
import { markerOf } from "./marker.ts";
import { createPauses } from "./pauses.ts";
import type { Platform } from "./platform.ts";
import type { ProcessTables } from "./process-table.ts";
import { createScanHold } from "./scan-hold.ts";
import { AT_ONCE, commandOf, describe, endTree, type StopOutcome } from "./stop.ts";
import { findMembers, type Tree } from "./tree.ts";
import type { Watcher } from "./watch.ts";
import { cutWriters, type WriterGuard } from "./writers.ts";

/** One run of a service's process. It outlives this object, and the server. */
export interface Instance {
  readonly instanceId: string;
  readonly directory: string;
  /** Of the main process, which leads its own session and group. */
  readonly pid: number;
  readonly identity: ProcessIdentity;
  /** Epoch ms. */
  readonly startTime: number;
  /** How the main process ended, some milliseconds after it did; lost when it and its shim died together. */
  readonly exited: Promise<Exit>;
  /** Both logs have their last byte. After an exit that may need a `stop` of what is left of the tree. */
  readonly drained: Promise<void>;
  /**
   * Ends the whole tree and proves it; also what is left of it after the main process ended. Joins a stop under way,
   * which a shorter grace brings to its end sooner. Not proven is an outcome, not an error; asking again tries again.
   */
  stop(request?: StopRequest): Promise<StopOutcome>;
  /** Whether the main process lives, now: its end is known to `exited` some milliseconds later. */
  isAlive(): boolean;
  /** The live processes of the tree. */
  members(): Promise<readonly Member[]>;
  /** Who listens on the port: a process of this tree, another, or nobody. */
  listener(port: number): Promise<"OWN" | "FOREIGN" | "NONE">;
  /** The complete variables it was started with, until it has ended. */
  environment(): Promise<Readonly<Record<string, string>>>;
}

export interface StopRequest {
  /** Default "SIGTERM". */
  readonly signal?: string;
  /** Default 10,000; 0 kills at once. */
  readonly graceMs?: number;
  /** Those that must be free before the stop is proven. */
  readonly ports?: readonly number[];
}

export interface Member {
  readonly pid: number;
  readonly ppid: number;
  readonly startTime: number;
  readonly state: string;
  readonly command: string;
}

export interface InstanceParts {
  readonly directory: string;
  readonly record: InstanceRecord;
  readonly main: LocalProcess;
  readonly shim: LocalProcess | undefined;
  /** Epoch ms. */
  readonly startTime: number;
}

export interface InstanceContext {
  readonly clock: Clock;
  readonly failpoints: Failpoints | undefined;
  readonly platform: Platform;
  readonly tables: ProcessTables;
  readonly watcher: Watcher;
  readonly shimPath: string;
  readonly shell: string;
  readonly writers: WriterGuard;
  readonly warn: (message: string, facts: object) => void;
  /** Aborted by close(). */
  readonly closed: AbortSignal;
}

/** The end of the log waits this long for those that a finished stop could not end. */
const CUT_MS = 2000;
const POLL_MS = 10;

/** Begins to watch at once. */
export async function createInstance(
  parts: InstanceParts,
  context: InstanceContext,
): Promise<Instance & { look(): void }> {
  const { record, main, shim, startTime } = parts;
  const { clock, platform, tables, warn, closed } = context;
  // The kernel names open files by their true path.
  const directory = await realpath(parts.directory);
  const marker = markerOf(record.installationId, record.instanceId);
  const { pause, wakeAll } = createPauses(clock, closed);

  let unguard = () => {};
  let hasSecrets = true;
  const ending = watchEnding({
    ...context,
    directory,
    marker,
    main,
    shim,
    wasOomKilled: () => record.cgroup !== "" && wasOomKilled(record.cgroup),
    onChange() {
      wakeAll();
      if (!hasSecrets) return;
      hasSecrets = false;
      unguard(); // from here on the shim finishes by itself
      removeSecrets(directory).catch((error) => warn("secrets not removed", { directory, error }));
    },
  });
  const tree: Tree = {
    main,
    shim,
    marker,
    pipes: ["out", "err"].flatMap((name) => [
      join(directory, name),
      `${join(directory, name)} (deleted)`,
    ]),
    known: new Map(),
    mainEnded() {
      const exit = ending.exit();
      return exit === undefined || exit.lost ? undefined : exit.exitTime;
    },
  };
  const hold = createHold();

  let stopping: { killAt: number; ports: Set<number>; outcome: Promise<StopOutcome> } | undefined;
  let proven: StopOutcome | undefined;

  const stop = (request: StopRequest = {}): Promise<StopOutcome> => {
    const { signal = "SIGTERM", ports = [] } = request;
    if (!isSignal(signal)) {
      return Promise.reject(invalidField("stop.signal", `${signal} is no signal of this system`));
    }
    const graceMs = signal === "SIGKILL" ? 0 : (request.graceMs ?? 10_000);
    const killAt = graceMs > 0 ? clock.monotonic() + graceMs : AT_ONCE;
    if (proven !== undefined) return Promise.resolve(proven);
    if (stopping !== undefined) {
      stopping.killAt = Math.min(stopping.killAt, killAt);
      for (const port of ports) stopping.ports.add(port);
      wakeAll();
      return stopping.outcome;
    }
    const current = { killAt, ports: new Set(ports), outcome: Promise.resolve() as never };
    stopping = current;
    stopping.outcome = runStop(signal, current).finally(() => {
      stopping = undefined;
    });
    return stopping.outcome;
  };

  const runStop = async (
    signal: NodeJS.Signals,
    current: { killAt: number; ports: Set<number> },
  ): Promise<StopOutcome> => {
    const outcome = await endTree({
      hold,
      clock,
      failpoints: context.failpoints,
      signal,
      mainHasExited: () => ending.exit() !== undefined,
      killAt: () => current.killAt,
      pause,
      busyPorts: () => findBusyPorts(current.ports, tree, platform),
    });
    if (outcome.proven) proven = outcome;
    scheduleCut();
    if (outcome.proof !== "CGROUP" || !outcome.proven) return outcome;
    // Who had the right to leave the cgroup (docker, systemd-run, root): told, and no part of what is claimed.
    const outside = findMembers(await tables.pass((shim ?? main).startTime), tree);
    proven = { ...outcome, survivors: describe(outside, []) };
    return proven;
  };

  /** Once the tree is gone, or given up, nothing shall be appended to these logs but what is in the pipes already. */
  const scheduleCut = () => {
    const cancel = clock.schedule(CUT_MS, () => {
      closed.removeEventListener("abort", cancel);
      ending.exited
        .then(async () => {
          if (ending.isDrained() || closed.aborted) return;
          await cutWriters({ shim, tree }, context);
          ending.cut();
        })
        .catch((error) => warn("output not closed", { directory, error }));
    });
    closed.addEventListener("abort", cancel, { once: true });
  };

  if (shim !== undefined && platform.proc) {
    unguard = context.writers.guard({ directory, record, shim, tree });
  }
  ending.look();

  return {
    instanceId: record.instanceId,
    directory: parts.directory,
    pid: main.pid,
    identity: { bootId: record.bootId, pidNamespace: record.pidNamespace, ...main },
    startTime,
    exited: ending.exited,
    drained: ending.drained,
    stop,
    isAlive: () => isAlive(main, platform),
    async members() {
      return (await hold.find()).map(({ pid, ppid, startTime, state, name }) => ({
        pid,
        ppid,
        startTime,
        state,
        command: commandOf(pid) || name,
      }));
    },
    async listener(port) {
      if (isListenedBy(port, [main.pid])) return "OWN";
      const members = (await hold.find()).map(({ pid }) => pid);
      if (isListenedBy(port, members)) return "OWN";
      return listListeners().some((listener) => listener.port === port) ? "FOREIGN" : "NONE";
    },
    async environment() {
      return JSON.parse(await readFile(join(directory, FILES.environment), "utf8"));
    },
    look: ending.look,
  };

  function createHold(): Hold {
    const { isDrained } = ending;
    if (!platform.proc) {
      const hasExited = () => ending.exit() !== undefined;
      return createGroupHold({ pid: main.pid, hasExited, isDrained });
    }
    if (record.cgroup !== "" && isCgroupVisible(record.cgroup)) {
      return createCgroupHold(openCgroup(record.cgroup), main);
    }
    return createScanHold({
      clock,
      tables,
      tree,
      subreaper: record.subreaper,
      hasExited() {
        if (ending.exit() === undefined) ending.look();
        return ending.exit() !== undefined;
      },
      drained() {
        const { drained, alone } = readDrained(directory);
        return { drained: isDrained() || drained, alone };
      },
      async awaitDrained(timeoutMs) {
        const until = clock.monotonic() + timeoutMs;
        while (!isDrained() && clock.monotonic() < until) {
          await pause(POLL_MS);
          ending.look();
        }
      },
    });
  }
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}
