import type { Service, ServiceExit } from "../../src/model/service.ts";
import { lifeOf, rowOf } from "../../src/services/life-row.ts";
import {
  type Effect,
  isOver,
  type Life,
  type LifeEvent,
  type RestartRules,
  transition,
} from "../../src/services/state.ts";

/**
 * One service's row, its processes and the server that drives it, without any of them being real: the
 * server stores, then acts, as life.ts does; what it has begun and not yet heard of is lost when it
 * dies, while row and processes stay. The test decides what happens next.
 */
export interface World {
  /** As stored. */
  row(): Service;
  /** Undefined while no server runs. */
  life(): Life | undefined;
  /** What the server waits for, in the order begun. */
  pending(): readonly Work[];
  /** Each instance of which anything lives. */
  living(): readonly number[];
  /** Somebody asks, or something is noticed. Nothing while no server runs. */
  tell(event: LifeEvent): void;
  /** One piece of pending work comes to its end, well or not. False: it cannot yet. */
  finish(work: Work, well: boolean): boolean;
  /** The main process of the newest instance ends by itself, perhaps leaving something behind. */
  exit(exit: ServiceExit, leavesRest: boolean): void;
  /** A spawn under way has begun, has only been prepared, or not even that. */
  killServer(spawn: "begun" | "prepared" | "none"): void;
  startServer(): void;
  /** What the machine said, in order. */
  readonly history: readonly Step[];
}

export interface Step {
  readonly before: Life;
  readonly event: LifeEvent;
  readonly after: Life;
  readonly effects: readonly Effect[];
}

export interface Work {
  readonly kind: "spawn" | "probe" | "watch" | "end-tree" | "await-backoff";
  readonly instance: number;
}

interface Tree {
  main: boolean;
  /** Of its descendants. */
  rest: boolean;
  exit?: ServiceExit;
}

const NEW_ROW = {
  state: "STARTING",
  health: "UNKNOWN",
  stateMessage: "",
  instance: 1,
  restartCount: 0,
  providerRef: "",
} as Service;

export function createWorld(rules: RestartRules): World {
  let row = NEW_ROW;
  let life: Life | undefined = lifeOf(row);
  /** What it is started with is kept: a later server can start it, too. */
  let prepared = false;
  let work: Work[] = [{ kind: "spawn", instance: 1 }];
  /** Absent: never started, and never will be. */
  const trees = new Map<number, Tree>();
  const history: Step[] = [];

  return {
    row: () => row,
    life: () => life,
    pending: () => work,
    living: () => [...trees].flatMap(([number, { main, rest }]) => (main || rest ? [number] : [])),
    tell: (event) => tell(event),
    finish,
    exit(exit, leavesRest) {
      const tree = trees.get(row.instance);
      if (tree?.main) Object.assign(tree, { main: false, rest: leavesRest, exit });
    },
    killServer(spawn) {
      // A shim needs no server: it may have been under way.
      if (spawn !== "none") {
        for (const { kind, instance } of work) {
          if (kind !== "spawn" || row.state !== "STARTING") continue;
          prepared = true;
          if (spawn === "begun") begin(instance);
        }
      }
      life = undefined;
      work = [];
    },
    startServer() {
      if (life !== undefined || isOver(row.state)) return;
      life = lifeOf(row);
      if (trees.has(row.instance)) resume();
      else goOnWithout();
    },
    history,
  };

  /** As ServiceLife does: stored first, then acted upon. */
  function tell(event: LifeEvent, facts: Partial<Service> = {}): void {
    if (life === undefined) return;
    const before = life;
    const { life: after, effects } = transition(before, event, rules);
    history.push({ before, event, after, effects });
    row = { ...row, ...rowOf(after, before, row), ...facts } as Service;
    life = after;
    for (const effect of effects) perform(effect);
  }

  function perform(effect: Effect): void {
    const { instance } = row;
    switch (effect) {
      case "settle":
        work = [];
        break;
      case "end-tree":
        work = work.filter(({ kind }) => kind !== "probe");
        work.push({ kind: effect, instance });
        break;
      case "spawn-elsewhere":
        work.push({ kind: "spawn", instance });
        break;
      default:
        work.push({ kind: effect, instance });
    }
  }

  function finish(item: Work, well: boolean): boolean {
    const { kind, instance } = item;
    const spawning = work.some((other) => other.kind === "spawn" && other.instance === instance);
    const tree = trees.get(instance);
    if (kind !== "spawn" && kind !== "await-backoff" && spawning) return false;
    if (kind === "watch" && tree?.main !== false) return false;
    // Ready is what answers; and who has ended is told so by the watch.
    if (kind === "probe" && !tree?.main) return false;
    work = work.filter((other) => other !== item);
    switch (kind) {
      case "spawn":
        spawn(instance, well);
        break;
      case "probe":
        if (well) tell({ type: "ready" }, { readyTime: 1 });
        else tell({ type: "not-ready", message: "503" });
        break;
      case "watch":
        tellExit(tree?.exit);
        break;
      case "end-tree":
        endTree(instance, well);
        break;
      case "await-backoff":
        tell({ type: "backoff-over" });
        break;
    }
    return true;
  }

  function spawn(instance: number, well: boolean): void {
    // Stopped while its start was prepared: then there is none.
    if (life?.state !== "STARTING") return;
    if (!well) {
      tell({ type: "spawn-failed", message: "no shell" });
      return;
    }
    begin(instance);
    work.push({ kind: "watch", instance });
    tell({ type: "spawned" });
  }

  function begin(instance: number): void {
    prepared = true;
    trees.set(instance, { main: true, rest: false });
  }

  function tellExit(exit: ServiceExit = { exitTime: 1 }): void {
    tell({ type: "exited", exit, stable: false }, { exit });
  }

  function endTree(instance: number, well: boolean): void {
    const tree = trees.get(instance);
    if (tree !== undefined) {
      const exit = tree.exit ?? { signal: "SIGTERM", exitTime: 1 };
      Object.assign(tree, { main: false, rest: tree.rest && !well, exit });
    }
    const proven = !tree?.rest;
    // Its exit first, so that the last row of an instance has both.
    const watch = work.find((other) => other.kind === "watch" && other.instance === instance);
    if (proven && watch !== undefined) finish(watch, true);
    tell({ type: "ended", proven, message: proven ? "" : "pid 7 lives" });
  }

  /** Of an earlier server's time: it lives, or it has ended and its exit is known. */
  function resume(): void {
    work.push({ kind: "watch", instance: row.instance });
    if (row.state === "STARTING") perform("probe");
    if (row.state === "STOPPING") perform("end-tree");
    if (row.state === "BACKOFF") {
      work = [];
      perform("await-backoff");
    }
  }

  /** Nothing of this instance was ever started: a start that is still wanted goes on. */
  function goOnWithout(): void {
    if (row.state === "STARTING" && prepared) perform("spawn");
    else if (row.state === "STOPPING") perform("end-tree");
    else if (row.state === "BACKOFF") tell({ type: "stop", reason: "STOP_REQUESTED" });
    else tell({ type: "spawn-failed", message: "the server ended before the start" });
  }
}
