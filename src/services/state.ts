import type { HealthStatus, ServiceExit, ServiceState, StateReason } from "../model/service.ts";

/**
 * The life of a service as a pure machine: what it is, what happened, what it is then, and what is
 * to be done about it. No I/O, no clock, no ids: the manager stores the new life first, then acts.
 *
 *   STARTING ──ready──► RUNNING
 *      ▲ │                 │
 *      │ └─exited, not-ready, stop, restart──► STOPPING ──ended──► STOPPED | FAILED
 *      │                                       │    ▲ │
 *      ├── asked to restart, port was taken ───┤    └─┘ ended, not proven
 *      └─backoff-over── BACKOFF ◄── may restart┘
 *
 * STARTING ──spawn-failed──► FAILED, or BACKOFF when it had been ready before.
 */
export interface Life {
  readonly state: ServiceState;
  readonly health: HealthStatus;
  readonly reason?: StateReason;
  readonly message: string;
  /** Of the present instance. */
  readonly exit?: ServiceExit;
  /** Some instance was ready: only then is a crash worth another try. */
  readonly wasReady: boolean;
  /** Restarts in a row, since it last ran for long enough. */
  readonly restarts: number;
  /** Starts in a row that came to nothing because somebody else had an automatic port by then. */
  readonly moves: number;
  /** That is why the present instance ends: the next one gets another number. */
  readonly moving: boolean;
  /** Somebody asked for its end while it was ending already: it is not started again. */
  readonly finishing: boolean;
}

export type LifeEvent =
  | { readonly type: "spawned" }
  /** The command never ran. */
  | { readonly type: "spawn-failed"; readonly message: string }
  | { readonly type: "ready" }
  | { readonly type: "not-ready"; readonly message: string; readonly portTaken?: boolean }
  /**
   * The main process ended; members of its tree may live. Stable: it had run for long enough. Port taken: before it
   * was ready, and somebody else listens on a port that was chosen for it.
   */
  | {
      readonly type: "exited";
      readonly exit: ServiceExit;
      readonly stable: boolean;
      readonly portTaken?: boolean;
    }
  | { readonly type: "stop"; readonly reason: StopReason }
  /** Stop it, then start the next instance. */
  | { readonly type: "restart"; readonly reason: "RESTARTED" | "UNHEALTHY" }
  | { readonly type: "health"; readonly health: HealthStatus }
  /** The tree was asked to end. Proven: nothing of it lives. */
  | { readonly type: "ended"; readonly proven: boolean; readonly message: string }
  /** The pause is over, or somebody wants it now. */
  | { readonly type: "backoff-over" };

/** Why somebody wants it gone. */
export type StopReason = Extract<
  StateReason,
  | "STOP_REQUESTED"
  | "LEASES_ENDED"
  | "LEASE_EXPIRED"
  | "IDLE_TIMEOUT"
  | "RUN_RELEASED"
  | "WORKSPACE_ARCHIVED"
  | "UNHEALTHY"
  | "STRAY"
>;

/** The part of a restart policy that decides; the pauses are the manager's. */
export interface RestartRules {
  readonly mode: "NEVER" | "ON_FAILURE" | "ALWAYS";
  readonly maxRestarts: number;
  /** How often in a row it is started again on other ports, whatever the mode. Absent: never. */
  readonly maxMoves?: number;
}

export type Effect =
  /** Start the process of the next instance. */
  | "spawn"
  /** The same, on another number for the port that was taken. */
  | "spawn-elsewhere"
  /** Watch for readiness. */
  | "probe"
  /** Stop what lives of the tree, with proof. */
  | "end-tree"
  /** Say `backoff-over` after the pause that `restarts` calls for. */
  | "await-backoff"
  /** Nothing lives and nothing will: give back ports and files, tell who waits. */
  | "settle";

export interface Transition {
  readonly life: Life;
  readonly effects: readonly Effect[];
}

/** Events that mean nothing in a state leave it as it is: late news is no error. */
export function transition(
  life: Life,
  event: LifeEvent,
  rules: RestartRules = NEVER_RESTART,
): Transition {
  switch (life.state) {
    case "STARTING":
      return whileStarting(life, event, rules);
    case "RUNNING":
      return whileRunning(life, event);
    case "STOPPING":
      return whileStopping(life, event, rules);
    case "BACKOFF":
      return whileBackingOff(life, event);
    case "STOPPED":
    case "FAILED":
      return stay(life);
  }
}

export const newLife: Life = {
  state: "STARTING",
  health: "UNKNOWN",
  message: "",
  wasReady: false,
  restarts: 0,
  moves: 0,
  moving: false,
  finishing: false,
};

const NEVER_RESTART: RestartRules = { mode: "NEVER", maxRestarts: 0 };

/** It is being stopped only to be started again under its id. */
export function comesBack(life: Life, rules: RestartRules): boolean {
  return life.state === "STOPPING" && !isOver(afterEnd(life, rules).life.state);
}

/** Nothing of it lives and nothing will be started under its id. */
export function isOver(state: ServiceState): boolean {
  return state === "STOPPED" || state === "FAILED";
}

/** Somebody asked for the end: it ends STOPPED, whatever signal ended it. */
export function wasAskedFor(reason: StateReason | undefined): boolean {
  return reason !== undefined && ASKED_FOR.has(reason);
}

const ASKED_FOR: ReadonlySet<StateReason> = new Set<StateReason>([
  "STOP_REQUESTED",
  "LEASES_ENDED",
  "LEASE_EXPIRED",
  "IDLE_TIMEOUT",
  "RUN_RELEASED",
  "WORKSPACE_ARCHIVED",
  "UNHEALTHY",
  "STRAY",
]);

function whileStarting(life: Life, event: LifeEvent, rules: RestartRules): Transition {
  switch (event.type) {
    case "spawned":
      return { life, effects: ["probe"] };
    case "spawn-failed":
      return afterEnd({ ...life, message: event.message }, rules);
    case "ready":
      return {
        life: {
          ...withoutReason(life),
          state: "RUNNING",
          health: "HEALTHY",
          wasReady: true,
          moves: 0,
        },
        effects: [],
      };
    case "not-ready":
      return stopping(
        { ...life, message: event.message, moving: event.portTaken === true },
        "NOT_READY",
      );
    case "exited":
      return stopping(
        { ...life, exit: event.exit, moving: event.portTaken === true },
        event.exit.reason === "OOM_KILLED" ? "OOM_KILLED" : "EXITED_EARLY",
      );
    case "stop":
      return stopping({ ...life, finishing: true }, event.reason);
    case "restart":
      return stopping(life, event.reason);
    default:
      return stay(life);
  }
}

function whileRunning(life: Life, event: LifeEvent): Transition {
  switch (event.type) {
    case "exited": {
      const restarts = event.stable ? 0 : life.restarts;
      return stopping({ ...life, exit: event.exit, restarts }, reasonOf(event.exit));
    }
    case "stop":
      return stopping({ ...life, finishing: true }, event.reason);
    case "restart":
      return stopping(life, event.reason);
    case "health":
      return { life: { ...life, health: event.health }, effects: [] };
    default:
      return stay(life);
  }
}

function whileStopping(life: Life, event: LifeEvent, rules: RestartRules): Transition {
  switch (event.type) {
    case "exited":
      return { life: { ...life, exit: event.exit }, effects: [] };
    case "stop": {
      // Asked again after a stop that could not be proven, or with less patience: try again. What
      // was to be started again is not, by a later server either: the reason is what a row keeps.
      const wouldComeBack = life.reason === "RESTARTED" || mayRestart(life, rules);
      const reason = wouldComeBack ? event.reason : life.reason;
      const next = { ...life, finishing: true, ...(reason === undefined ? {} : { reason }) };
      return { life: next, effects: ["end-tree"] };
    }
    case "ended":
      return event.proven
        ? afterEnd(life, rules)
        : { life: { ...life, message: event.message }, effects: [] };
    default:
      return stay(life);
  }
}

function whileBackingOff(life: Life, event: LifeEvent): Transition {
  switch (event.type) {
    case "backoff-over":
    case "restart":
      return startAgain(life);
    case "stop":
      return {
        life: { ...life, state: "STOPPED", health: "UNKNOWN", reason: event.reason },
        effects: ["settle"],
      };
    default:
      return stay(life);
  }
}

/** Nothing lives: is this the end, or the pause before the next instance? */
function afterEnd(life: Life, rules: RestartRules): Transition {
  if (life.reason === "RESTARTED" && !life.finishing) return startAgain(life);
  if (life.moving && !life.finishing && life.moves < (rules.maxMoves ?? 0)) {
    return startAgain({ ...life, moves: life.moves + 1 }, "spawn-elsewhere");
  }
  if (!mayRestart(life, rules)) return over(life);
  if (life.restarts >= rules.maxRestarts) return over({ ...life, reason: "CRASH_LOOP" });
  return {
    life: { ...life, state: "BACKOFF", health: "UNHEALTHY", restarts: life.restarts + 1 },
    effects: ["await-backoff"],
  };
}

function mayRestart(life: Life, rules: RestartRules): boolean {
  if (rules.mode === "NEVER" || life.finishing || !life.wasReady) return false;
  // An unhealthy one was stopped by us, for its own good.
  if (life.reason === "UNHEALTHY") return true;
  return !endedWell(life) || (rules.mode === "ALWAYS" && !wasAskedFor(life.reason));
}

function startAgain(life: Life, effect: "spawn" | "spawn-elsewhere" = "spawn"): Transition {
  // Why the last instance ended is no reason for what becomes of the next.
  const { exit: _exit, reason: _reason, ...rest } = life;
  return {
    life: { ...rest, state: "STARTING", health: "UNKNOWN", message: "", moving: false },
    effects: [effect],
  };
}

function stopping(life: Life, reason: StateReason): Transition {
  return { life: { ...life, state: "STOPPING", reason }, effects: ["end-tree"] };
}

function over(life: Life): Transition {
  const well = endedWell(life);
  return {
    life: {
      ...life,
      state: well ? "STOPPED" : "FAILED",
      health: well ? "UNKNOWN" : "UNHEALTHY",
    },
    effects: ["settle"],
  };
}

function endedWell(life: Life): boolean {
  return wasAskedFor(life.reason) || (life.reason === "EXITED" && life.exit?.code === 0);
}

function withoutReason(life: Life): Life {
  const { reason: _, ...rest } = life;
  return rest;
}

function reasonOf(exit: ServiceExit): StateReason {
  if (exit.reason === "OOM_KILLED") return "OOM_KILLED";
  if (exit.signal !== undefined) return "SIGNALLED";
  return exit.code === undefined ? "EXIT_STATUS_LOST" : "EXITED";
}

function stay(life: Life): Transition {
  return { life, effects: [] };
}
