import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../clock.ts";
import type { Probe } from "../../model/service-spec.ts";
import { ask, DEFAULT_ATTEMPT_MS, type ProbeTools } from "./ask.ts";
import { type Attempt, type FailedAttempt, failed } from "./attempt.ts";
import { attemptTcp } from "./attempt-tcp.ts";
import { loopbackPort, type ProbeTarget } from "./probe-target.ts";

export interface ReadinessOptions {
  readonly target: ProbeTarget;
  readonly probe: Probe | undefined;
  readonly tools: ProbeTools;
  readonly clock: Clock;
  /** How many services are being waited for now: they share the processor. */
  readonly waiting: () => number;
  /** Ends the wait: the process exited or is to be stopped. */
  readonly signal: AbortSignal;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const LONGEST_INTERVAL_MS = 500;
const FIRST_INTERVAL_MS = 4;
/** A command is a process to be started: it is not asked as often as a port. */
const FIRST_EXEC_INTERVAL_MS = 25;
/** Without anything to ask, a process that has lived this long is taken for started. */
const ALIVE_AFTER_MS = 250;

/**
 * Waits until the service answers, or the probe's timeout is over (then it tells the last failure), or
 * `signal` aborts (then it rejects with the signal's reason).
 */
export async function awaitReady(options: ReadinessOptions): Promise<Attempt> {
  const { target, probe, tools, signal } = options;
  const timeoutMs = probe?.timeoutMs || DEFAULT_TIMEOUT_MS;
  switch (target.kind) {
    case "alive":
      await delay(ALIVE_AFTER_MS, undefined, { signal });
      return { ok: true };
    case "log":
      return tools.awaitLogLine(target.pattern, timeoutMs, signal);
    default:
      return askUntilReady(options, timeoutMs);
  }
}

/**
 * A refused connection costs next to nothing, so a port is tried every few milliseconds until it accepts;
 * only real questions slow down.
 */
async function askUntilReady(options: ReadinessOptions, timeoutMs: number): Promise<Attempt> {
  const { target, probe, tools, clock, signal } = options;
  const port = loopbackPort(target);
  const fullAttemptMs = probe?.attemptTimeoutMs || DEFAULT_ATTEMPT_MS;
  const deadline = clock.monotonic() + timeoutMs;
  const longest = Math.min(probe?.intervalMs || LONGEST_INTERVAL_MS, LONGEST_INTERVAL_MS);
  let pause = target.kind === "exec" ? FIRST_EXEC_INTERVAL_MS : FIRST_INTERVAL_MS;
  let last: FailedAttempt | undefined;
  for (;;) {
    const attemptMs = Math.ceil(Math.min(fullAttemptMs, deadline - clock.monotonic()));
    if (attemptMs <= 0) return last ?? neverAsked(timeoutMs);
    const accepts = port === undefined ? undefined : await attemptTcp(port, attemptMs);
    signal.throwIfAborted();
    // The last attempt is cut short by the deadline: that it did not answer is not what was wrong.
    const isCut = ({ reason }: FailedAttempt) =>
      attemptMs < fullAttemptMs && reason === "PROBE_TIMEOUT";
    if (accepts?.ok === false) {
      if (last === undefined || !isCut(accepts)) last = accepts;
      await delay(portPollMs(options.waiting()), undefined, { signal });
      continue;
    }
    const { listener } = probe ?? {};
    const answer = await ask(target, tools, { attemptMs, listener, accepted: true });
    signal.throwIfAborted();
    if (answer.ok) return answer;
    if (last === undefined || last.reason === "PORT_CLOSED" || !isCut(answer)) last = answer;
    await delay(Math.min(pause, longest), undefined, { signal });
    pause *= 2;
  }
}

function neverAsked(timeoutMs: number): FailedAttempt {
  return failed("PROBE_TIMEOUT", `there was no time to ask within ${timeoutMs} ms`);
}

/** 4 ms for a few services; with hundreds starting, as many tries a second as for fifty. */
function portPollMs(waiting: number): number {
  return Math.max(FIRST_INTERVAL_MS, Math.min(waiting * 0.08 * FIRST_INTERVAL_MS, 100));
}
