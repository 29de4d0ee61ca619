import type { Clock } from "../../../src/clock.ts";

/** A clock that moves only when told, firing what is due on the way. */
export interface ManualClock extends Clock {
  advance(milliseconds: number): void;
}

export function createManualClock(start = 1_000_000): ManualClock {
  let time = start;
  const scheduled = new Set<{ readonly at: number; readonly fire: () => void }>();
  return {
    now: () => time,
    monotonic: () => time,
    schedule(delayMs, fire) {
      const entry = { at: time + Math.max(delayMs, 0), fire };
      scheduled.add(entry);
      return () => scheduled.delete(entry);
    },
    advance(milliseconds) {
      const end = time + milliseconds;
      for (;;) {
        const due = [...scheduled].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        scheduled.delete(due);
        time = Math.max(time, due.at);
        due.fire();
      }
      time = end;
    },
  };
}
