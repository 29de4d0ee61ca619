import type { Service, ServiceExit } from "../model/service.ts";
import type { ServicePatch } from "../store/services.ts";
import type { Exit } from "../supervisor/exit-status.ts";
import type { StopOutcome } from "../supervisor/stop.ts";
import type { Life } from "./state.ts";

/** The machine's view of a row, also of one that an earlier server left. */
export function lifeOf(row: Service): Life {
  return {
    state: row.state,
    health: row.health,
    message: row.stateMessage,
    wasReady: row.readyTime !== undefined,
    restarts: row.state === "BACKOFF" ? 1 : 0,
    moves: 0,
    moving: false,
    finishing: false,
    ...(row.stateReason === undefined ? {} : { reason: row.stateReason }),
    ...(row.exit === undefined ? {} : { exit: row.exit }),
  };
}

/** What a transition writes. A start that is not the first is the next instance of its service. */
export function rowOf(next: Life, before: Life, row: Service): ServicePatch {
  const isNextInstance = next.state === "STARTING" && before.state !== "STARTING";
  return {
    state: next.state,
    health: next.health,
    stateReason: next.reason,
    stateMessage: next.message,
    exit: next.exit,
    ...(isNextInstance
      ? { instance: row.instance + 1, restartCount: row.restartCount + 1, providerRef: "" }
      : {}),
  };
}

export function exitOf(ended: Exit, early: boolean): ServiceExit {
  return {
    exitTime: ended.exitTime,
    reason: reasonOf(ended, early),
    ...(ended.code === undefined ? {} : { code: ended.code }),
    ...(ended.signal === undefined ? {} : { signal: ended.signal }),
  };
}

export function survivorsText(outcome: StopOutcome): string {
  const pids = outcome.survivors.map(({ pid }) => pid).join(", ");
  return pids === "" ? "its end could not be proven" : `still living after KILL: pid ${pids}`;
}

function reasonOf(ended: Exit, early: boolean): NonNullable<ServiceExit["reason"]> {
  if (ended.oomKilled) return "OOM_KILLED";
  if (ended.lost) return "EXIT_STATUS_LOST";
  if (early) return "EXITED_EARLY";
  return ended.signal === undefined ? "EXITED" : "SIGNALLED";
}
