import type { Clock } from "../clock.ts";
import type { Attempt } from "./readiness/attempt.ts";

/** Is a service that was ready still well? */
export interface HealthCheck {
  /** A good answer of the last 2 s counts; who asks meanwhile shares one check, tried twice. */
  check(): Promise<Attempt>;
  /** Somebody else has just seen how it is. */
  note(seen: Attempt): void;
}

const HEALTHY_FOR_MS = 2_000;
const RETRY_MS = 250;

export function createHealthCheck(options: {
  readonly clock: Clock;
  /** One bounded look. */
  readonly look: () => Promise<Attempt>;
  /** Writes down what a check found, before it is answered. */
  readonly tell: (found: Attempt) => Promise<void>;
}): HealthCheck {
  const { clock, look, tell } = options;
  let healthyAt = Number.NEGATIVE_INFINITY;
  let checking: Promise<Attempt> | undefined;

  return {
    note,
    async check() {
      if (clock.monotonic() - healthyAt < HEALTHY_FOR_MS) return { ok: true };
      checking ??= checkNow().finally(() => {
        checking = undefined;
      });
      return checking;
    },
  };

  function note(seen: Attempt): void {
    healthyAt = seen.ok ? clock.monotonic() : Number.NEGATIVE_INFINITY;
  }

  async function checkNow(): Promise<Attempt> {
    let seen = await look();
    if (!seen.ok) {
      await new Promise<void>((resolve) => clock.schedule(RETRY_MS, resolve));
      seen = await look();
    }
    note(seen);
    await tell(seen);
    return seen;
  }
}
