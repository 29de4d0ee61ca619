import { constants } from "node:os";
import type { ExitRecord } from "./instance-directory.ts";

/** How a main process ended. Neither code nor signal when that is lost. */
export interface Exit {
  readonly code?: number;
  /** "SIGKILL". */
  readonly signal?: string;
  /** Epoch ms. */
  readonly exitTime: number;
  /** It ended and nobody saw how: shim and service died together, or the host or container went down. */
  readonly lost: boolean;
  /** The kernel killed it, or a process of its tree, for its memory. */
  readonly oomKilled?: boolean;
}

/** A shell cannot tell `exit 137` from SIGKILL; above 128 it is the signal wherever one has that number. */
export function exitOf({ status, time }: ExitRecord): Exit {
  const signal = status > 128 ? SIGNALS.get(status - 128) : undefined;
  return signal === undefined
    ? { code: status, exitTime: time, lost: false }
    : { signal, exitTime: time, lost: false };
}

const SIGNALS: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals)
    .filter(([name]) => !["SIGIOT", "SIGPOLL", "SIGUNUSED"].includes(name)) // second names
    .map(([name, number]) => [number, name]),
);
