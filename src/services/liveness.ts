import { setTimeout as delay } from "node:timers/promises";
import type { Probe } from "../model/service-spec.ts";
import { checkOnce } from "./readiness/await-ready.ts";
import type { ProbeTarget } from "./readiness/probe-target.ts";

const DEFAULT_INTERVAL_MS = 10_000;
const DEFAULT_THRESHOLD = 3;

/**
 * Asks a running service again and again; tells when `failure_threshold` answers in a row (default 3)
 * were bad, and when one is good again. Ends on the signal.
 */
export async function watchLiveness(options: {
  readonly target: ProbeTarget;
  readonly probe: Probe;
  readonly signal: AbortSignal;
  readonly onChange: (health: "HEALTHY" | "UNHEALTHY", error: string) => void;
}): Promise<void> {
  const { target, probe, signal, onChange } = options;
  const threshold = probe.failureThreshold ?? DEFAULT_THRESHOLD;
  let failures = 0;
  while (!signal.aborted) {
    await delay(probe.intervalMs || DEFAULT_INTERVAL_MS, undefined, { signal, ref: false });
    const attempt = await checkOnce(target, probe.attemptTimeoutMs);
    if (signal.aborted) return;
    if (attempt.ok) {
      if (failures >= threshold) onChange("HEALTHY", "");
      failures = 0;
    } else {
      failures += 1;
      if (failures === threshold) onChange("UNHEALTHY", attempt.error);
    }
  }
}
