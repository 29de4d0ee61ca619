import type { HealthStatus, ServiceExit, ServiceState, StateReason } from "../model/service.ts";

/**
 * The life of a service as a pure machine: what it is, what happened, what it is then, and what is
 * to be done about it. No I/O, no clock, no ids: the manager stores the new life first, then acts.
 *
 *   STARTING ──ready──► RUNNING
 *      │  │                │ │
 *      │  └─exited,────────┼─┴─exited, stop──► STOPPING ──ended, proven──► STOPPED | FAILED
 *      │    not-ready,stop ┘                       ▲ │
 *      └─spawn-failed──► FAILED                    └─┘ ended, not proven
 */
export interface Life {
  readonly state: ServiceState;
  readonly health: HealthStatus;
  readonly reason?: StateReason;
  readonly message: string;
  /** Of the present instance. */
  readonly exit?: ServiceExit;
}

export type LifeEvent =
  | { readonly type: "spawned" }
  /** The command never ran. */
  | { readonly type: "spawn-failed"; readonly message: string }
  | { readonly type: "ready" }
  | { readonly type: "not-ready"; readonly message: string }
  /** The main process ended; members of its tree may live. */
  | { readonly type: "exited"; readonly exit: ServiceExit }
  | { readonly type: "stop"; readonly reason: StopReason }
  | { readonly type: "health"; readonly health: HealthStatus }
  /** The tree was asked to end. Proven: nothing of it lives. */
  | { readonly type: "ended"; readonly proven: boolean; readonly message: string };

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
  | "NOT_READY"
  | "STRAY"
>;

export type Effect =
  /** Watch for readiness. */
  | "probe"
  /** Stop what lives of the tree, with proof. */
  | "end-tree"
  /** Nothing lives: give back ports and files, tell who waits. */
  | "settle";

export interface Transition {
  readonly life: Life;
  readonly effects: readonly Effect[];
}

/** Events that mean nothing in a state leave it as it is: late news is no error. */
export function transition(life: Life, event: LifeEvent): Transition {
  switch (life.state) {
    case "STARTING":
      return whileStarting(life, event);
    case "RUNNING":
      return whileRunning(life, event);
    case "STOPPING":
      return whileStopping(life, event);
    case "STOPPED":
    case "FAILED":
    case "BACKOFF":
      return stay(life);
  }
}

export const newLife: Life = { state: "STARTING", health: "UNKNOWN", message: "" };

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

function whileStarting(life: Life, event: LifeEvent): Transition {
  switch (event.type) {
    case "spawned":
      return { life, effects: ["probe"] };
    case "spawn-failed":
      return {
        life: { ...life, state: "FAILED", health: "UNHEALTHY", message: event.message },
        effects: ["settle"],
      };
    case "ready":
      return { life: { ...life, state: "RUNNING", health: "HEALTHY" }, effects: [] };
    case "not-ready":
      return stopping({ ...life, message: event.message }, "NOT_READY");
    case "exited":
      return stopping({ ...life, exit: event.exit }, "EXITED_EARLY");
    case "stop":
      return stopping(life, event.reason);
    default:
      return stay(life);
  }
}

function whileRunning(life: Life, event: LifeEvent): Transition {
  switch (event.type) {
    case "exited":
      return stopping({ ...life, exit: event.exit }, reasonOf(event.exit));
    case "stop":
      return stopping(life, event.reason);
    case "health":
      return { life: { ...life, health: event.health }, effects: [] };
    default:
      return stay(life);
  }
}

function whileStopping(life: Life, event: LifeEvent): Transition {
  switch (event.type) {
    case "exited":
      return { life: { ...life, exit: event.exit }, effects: [] };
    case "stop":
      // Asked again after a stop that could not be proven, or with less patience: try again.
      return { life, effects: ["end-tree"] };
    case "ended":
      return event.proven ? over(life) : { life: { ...life, message: event.message }, effects: [] };
    default:
      return stay(life);
  }
}

function stopping(life: Life, reason: StateReason): Transition {
  return { life: { ...life, state: "STOPPING", reason }, effects: ["end-tree"] };
}

function over(life: Life): Transition {
  const well = wasAskedFor(life.reason) || (life.reason === "EXITED" && life.exit?.code === 0);
  return {
    life: {
      ...life,
      state: well ? "STOPPED" : "FAILED",
      health: well ? "UNKNOWN" : "UNHEALTHY",
    },
    effects: ["settle"],
  };
}

function reasonOf(exit: ServiceExit): StateReason {
  if (exit.signal !== undefined) return "SIGNALLED";
  return exit.code === undefined ? "EXIT_STATUS_LOST" : "EXITED";
}

function stay(life: Life): Transition {
  return { life, effects: [] };
}
