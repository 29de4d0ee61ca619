import { setTimeout as delay } from "node:timers/promises";
import type { Probe } from "../model/service-spec.ts";
import type { Attempt } from "./readiness/attempt.ts";

const DEFAULT_INTERVAL_MS = 10_000;
const DEFAULT_THRESHOLD = 3;

/**
 * Looks at a running service again and again; tells each good answer, and each bad one that is at least
 * the `failure_threshold`th in a row (default 3). Ends on the signal.
 */
export async function watchLiveness(options: {
  readonly probe: Probe;
  /** One bounded look. */
  readonly look: () => Promise<Attempt>;
  readonly signal: AbortSignal;
  /** The next look comes after it. What it rejects with is told again by the next look. */
  readonly onFound: (seen: Attempt) => Promise<void>;
}): Promise<void> {
  const { probe, look, signal, onFound } = options;
  const threshold = probe.failureThreshold ?? DEFAULT_THRESHOLD;
  let failures = 0;
  while (!signal.aborted) {
    await delay(probe.intervalMs || DEFAULT_INTERVAL_MS, undefined, { signal, ref: false });
    const seen = await look();
    if (signal.aborted) return;
    failures = seen.ok ? 0 : failures + 1;
    if (seen.ok || failures >= threshold) await onFound(seen).catch(() => {});
  }
}
