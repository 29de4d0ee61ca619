import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../clock.ts";
import type { Probe } from "../../model/service-spec.ts";
import { type Attempt, attemptHttp, attemptTcp } from "./attempt.ts";
import type { ProbeTarget } from "./probe-target.ts";

export type Readiness =
  | { readonly ready: true }
  | { readonly ready: false; readonly reason: string; readonly error: string };

export interface ReadinessOptions {
  readonly target: ProbeTarget;
  readonly probe: Probe | undefined;
  readonly clock: Clock;
  /** Whose listener is on this port? Asked only once a probe succeeded. */
  readonly ownerOf: (port: number) => Promise<PortOwner>;
  /** How many services are being waited for now: they share the processor. */
  readonly waiting: () => number;
  /** Ends the wait: the process exited or is to be stopped. */
  readonly signal: AbortSignal;
}

export type PortOwner =
  | { readonly kind: "own" }
  | { readonly kind: "foreign"; readonly pid?: number }
  /** This platform cannot tell. */
  | { readonly kind: "unknown" };

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_ATTEMPT_TIMEOUT_MS = 5_000;
const LONGEST_INTERVAL_MS = 500;
const FIRST_INTERVAL_MS = 4;
/** Without anything to ask, a process that has lived this long is taken for started. */
const ALIVE_AFTER_MS = 250;

/**
 * Waits until the service answers, or the probe's timeout is over, or `signal` aborts (then it
 * rejects with the signal's reason). A refused connection costs next to nothing, so the port is
 * tried every few milliseconds until it accepts; only real questions slow down.
 */
export async function awaitReady(options: ReadinessOptions): Promise<Readiness> {
  const { target, probe, clock, signal } = options;
  if (target.kind === "alive") {
    await delay(ALIVE_AFTER_MS, undefined, { signal });
    return { ready: true };
  }
  const deadline = clock.monotonic() + (probe?.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const longest = Math.min(probe?.intervalMs || LONGEST_INTERVAL_MS, LONGEST_INTERVAL_MS);
  let pause = FIRST_INTERVAL_MS;
  let failure = { reason: "PORT_CLOSED", error: `nothing listens on port ${target.port}` };
  for (;;) {
    const remaining = deadline - clock.monotonic();
    if (remaining <= 0) return { ready: false, ...failure };
    const attemptMs = Math.min(probe?.attemptTimeoutMs ?? DEFAULT_ATTEMPT_TIMEOUT_MS, remaining);
    const accepts = await attemptTcp(target.port, attemptMs);
    signal.throwIfAborted();
    if (accepts.ok) {
      const outcome = await question(options, attemptMs);
      signal.throwIfAborted();
      if (outcome.ready) return outcome;
      failure = outcome;
      await delay(Math.min(pause, longest), undefined, { signal });
      pause *= 2;
    } else {
      failure = { reason: "PORT_CLOSED", error: accepts.error };
      await delay(portPollMs(options.waiting()), undefined, { signal });
    }
  }
}

/** One full check of a service that runs already: bounded, no waiting for anything to come up. */
export async function checkOnce(
  target: ProbeTarget,
  attemptTimeoutMs: number = DEFAULT_ATTEMPT_TIMEOUT_MS,
): Promise<Attempt> {
  switch (target.kind) {
    case "alive":
      return { ok: true };
    case "tcp":
      return attemptTcp(target.port, attemptTimeoutMs);
    case "http":
      return attemptHttp(target.url, { ...target, timeoutMs: attemptTimeoutMs });
  }
}

async function question(options: ReadinessOptions, attemptMs: number): Promise<Readiness> {
  const { target, probe } = options;
  if (target.kind === "alive") return { ready: true };
  // A port that accepted has answered all that a tcp probe asks.
  const answer: Attempt = target.kind === "tcp" ? { ok: true } : await checkOnce(target, attemptMs);
  if (!answer.ok) return { ready: false, reason: "PROBE_FAILED", error: answer.error };
  if (probe?.listener === "ANY") return { ready: true };
  const owner = await options.ownerOf(target.port);
  if (owner.kind !== "foreign") return { ready: true };
  const who = owner.pid === undefined ? "another process" : `pid ${owner.pid}`;
  return {
    ready: false,
    reason: "FOREIGN_LISTENER",
    error: `port ${target.port} is served by ${who}, which does not belong to this service: if that is meant (docker, another supervisor), set listener: ANY`,
  };
}

/** 4 ms for a few services; with hundreds starting, as many tries a second as for fifty. */
function portPollMs(waiting: number): number {
  return Math.max(FIRST_INTERVAL_MS, Math.min(waiting * 0.08 * FIRST_INTERVAL_MS, 100));
}
