import type { Clock } from "../clock.ts";
import type { Hub } from "./hub.ts";

/** One watcher's place to wait. A publish between two waits is not lost: the next returns at once. */
export interface Alarm {
  /** Resolves at the next publish, after `timeoutMs`, or when the signal aborts. */
  wait(timeoutMs: number): Promise<void>;
  /** For what is not published: ends the wait, or the next one. */
  ring(): void;
  /** Also done by the signal, since a generator that is blocked may never run again. */
  release(): void;
}

export function createAlarm(hub: Hub, clock: Clock, signal: AbortSignal): Alarm {
  let rung = false;
  let wake = () => {};
  const ring = () => {
    rung = true;
    wake();
  };
  const unsubscribe = hub.subscribe(ring);
  const release = () => {
    unsubscribe();
    signal.removeEventListener("abort", release);
    ring();
  };
  if (signal.aborted) release();
  else signal.addEventListener("abort", release);

  return {
    async wait(timeoutMs) {
      if (!rung) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const cancel = clock.schedule(timeoutMs, resolve);
        await promise;
        cancel();
        wake = () => {};
      }
      rung = false;
    },
    ring,
    release,
  };
}
