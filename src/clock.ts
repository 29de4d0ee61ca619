/** Where time comes from. Tests put in a clock that they move by hand. */
export interface Clock {
  /** Wall time in milliseconds since the epoch: what rows and leases hold. May jump. */
  now(): number;
  /** Milliseconds that only ever grow: what timeouts and intervals are measured by. */
  monotonic(): number;
  /** Calls `fire` once, `delayMs` from now; the returned function cancels. Holds no process alive. */
  schedule(delayMs: number, fire: () => void): () => void;
}

/** Node's timers overflow (and then fire at once) past 2^31 - 1 ms, about 24.8 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export function createSystemClock(): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    schedule(delayMs, fire) {
      let timer: NodeJS.Timeout;
      const arm = (remaining: number) => {
        const step = Math.min(Math.max(remaining, 0), LONGEST_TIMER_MS);
        timer = setTimeout(() => (remaining > step ? arm(remaining - step) : fire()), step);
        timer.unref();
      };
      arm(delayMs);
      return () => clearTimeout(timer);
    },
  };
}
