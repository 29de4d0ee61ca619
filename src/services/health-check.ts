import type { Clock } from "../clock.ts";
import type { Attempt } from "./readiness/attempt.ts";
import { checkOnce } from "./readiness/await-ready.ts";
import type { ProbeTarget } from "./readiness/probe-target.ts";

/** Is a service that was ready still well? */
export interface HealthCheck {
  /** An answer of the last 2 s counts; who asks meanwhile shares one check, tried twice. */
  check(): Promise<Attempt>;
  /** It has just answered. */
  seen(): void;
}

const HEALTHY_FOR_MS = 2_000;
const RETRY_MS = 250;

export function createHealthCheck(clock: Clock, target: () => ProbeTarget): HealthCheck {
  let healthyAt = Number.NEGATIVE_INFINITY;
  let checking: Promise<Attempt> | undefined;
  const seen = () => {
    healthyAt = clock.monotonic();
  };

  return {
    seen,
    async check() {
      if (clock.monotonic() - healthyAt < HEALTHY_FOR_MS) return { ok: true };
      checking ??= checkNow().finally(() => {
        checking = undefined;
      });
      return checking;
    },
  };

  async function checkNow(): Promise<Attempt> {
    let attempt = await checkOnce(target());
    if (!attempt.ok) {
      await new Promise<void>((resolve) => clock.schedule(RETRY_MS, resolve));
      attempt = await checkOnce(target());
    }
    if (attempt.ok) seen();
    return attempt;
  }
}
