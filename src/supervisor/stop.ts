import type { Clock } from "../clock.ts";
import { isRuntimeError } from "../errors.ts";
import type { Failpoints } from "../failpoints.ts";
import type { StopProof, Survivor } from "../model/service.ts";
import { type BusyPorts, FREE } from "./busy-ports.ts";
import type { Hold } from "./hold.ts";
import { findLive } from "./identity.ts";
import { type ProcessStat, readProcFile } from "./process-stat.ts";

export interface StopOutcome {
  /** Nothing of the tree lives, and its ports are free. */
  readonly proven: boolean;
  readonly proof: StopProof;
  /** In the order sent; SIGSTOP, which only holds a tree still to be killed, is left out. */
  readonly signals: readonly string[];
  /** The grace passed and KILL was needed. */
  readonly escalated: boolean;
  /** How many distinct processes were found and are gone. */
  readonly processesEnded: number;
  readonly survivors: readonly Survivor[];
  readonly durationMs: number;
  readonly portsFree: boolean;
}

export interface TreeEnding {
  readonly hold: Hold;
  readonly clock: Clock;
  readonly failpoints: Failpoints | undefined;
  readonly signal: NodeJS.Signals;
  readonly mainHasExited: () => boolean;
  /**
   * When to stop waiting for the tree's own end, by the monotonic clock, or AT_ONCE: then it is not even asked. A joining
   * caller may bring it forward.
   */
  readonly killAt: () => number;
  /** Resolves after so many milliseconds, or at once when something about the instance changes. */
  readonly pause: (ms: number) => Promise<void>;
  /** Who listens on the instance's ports and may be of it. */
  readonly busyPorts: () => Promise<BusyPorts>;
}

export const AT_ONCE = Number.NEGATIVE_INFINITY;

/** How long what was killed may take to be gone: longer only for what hangs in the kernel. */
const GONE_MS = 5000;
const FIRST_POLL_MS = 2;
const LONGEST_POLL_MS = 50;

/** Asks the tree to end, waits out the grace, kills it, and does not believe it before it is proven. */
export async function endTree(ending: TreeEnding): Promise<StopOutcome> {
  const { hold, clock, signal, mainHasExited, killAt, pause, busyPorts } = ending;
  const began = clock.monotonic();
  const seen = new Map<number, ProcessStat>();
  const signals: string[] = [];
  const look = async () => {
    const members = await persist(() => hold.find());
    for (const member of members) seen.set(member.pid, member);
    return members;
  };

  let members = await look();
  let killed = false;
  if (members.length > 0 && killAt() !== AT_ONCE) {
    if (hold.ask(members, signal)) signals.push(signal, "SIGCONT");
    await ending.failpoints?.hit("stop.signalled");
    members = await waitForEnd(members);
  }
  const escalated = members.length > 0 && signals.length > 0;

  const giveUpAt = clock.monotonic() + GONE_MS;
  let proven = false;
  let ports: BusyPorts = FREE;
  for (let poll = FIRST_POLL_MS; ; poll = Math.min(poll * 2, LONGEST_POLL_MS)) {
    if (members.length > 0) {
      await persist(() => hold.force());
      killed = true;
    }
    if (await persist(() => hold.proveGone())) {
      ports = await persist(busyPorts);
      proven = ports.free;
    }
    if (proven || clock.monotonic() > giveUpAt) break;
    await pause(poll);
    members = await look();
  }
  if (killed) signals.push("SIGKILL");

  return {
    proven,
    proof: hold.proof(),
    signals,
    escalated,
    processesEnded: [...seen.values()].filter((one) => findLive(one) === undefined).length,
    survivors: proven ? [] : describe(await hold.find(), ports.pids),
    durationMs: Math.round(clock.monotonic() - began),
    portsFree: proven || (await busyPorts()).free,
  };

  /** What cannot be looked at for a moment (no descriptors left) is neither dead nor a reason to give up a stop. */
  async function persist<T>(action: () => Promise<T>): Promise<T> {
    const until = clock.monotonic() + GONE_MS;
    for (;;) {
      try {
        return await action();
      } catch (error) {
        if (isRuntimeError(error) || clock.monotonic() > until) throw error;
        await pause(LONGEST_POLL_MS);
      }
    }
  }

  /** Looks at those known only, which is cheap; at all again when they are gone. */
  async function waitForEnd(first: readonly ProcessStat[]): Promise<readonly ProcessStat[]> {
    let remaining = first;
    let poll = FIRST_POLL_MS;
    let orphansAsked = signal === "SIGTERM";
    for (;;) {
      remaining = remaining.filter((one) => findLive(one) !== undefined);
      if (remaining.length === 0) {
        remaining = await look();
        if (remaining.length === 0) return remaining;
        hold.ask(remaining, signal); // nobody passed it on to these
      }
      if (!orphansAsked && mainHasExited()) {
        // What a shell put in the background ignores INT and QUIT; with the main process gone, TERM is for all.
        orphansAsked = true;
        remaining = await look();
        if (hold.ask(remaining, "SIGTERM")) signals.push("SIGTERM");
      }
      const left = killAt() - clock.monotonic();
      if (left <= 0) return await look();
      await pause(Math.min(poll, left));
      poll = Math.min(poll * 2, LONGEST_POLL_MS);
    }
  }
}

export function describe(
  members: readonly ProcessStat[],
  listeners: readonly number[],
): Survivor[] {
  const known = new Set(members.map(({ pid }) => pid));
  return [
    ...members.map(({ pid, state, name }) => ({ pid, state, command: commandOf(pid) || name })),
    ...listeners
      .filter((pid) => !known.has(pid))
      .map((pid) => ({ pid, state: "", command: commandOf(pid) })),
  ];
}

/** At most 200 characters of what it was started as. */
export function commandOf(pid: number): string {
  return (readProcFile(`/proc/${pid}/cmdline`) ?? "").replaceAll("\0", " ").trim().slice(0, 200);
}
