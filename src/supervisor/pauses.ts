import type { Clock } from "../clock.ts";
import { RuntimeError } from "../errors.ts";

/** Waits that end early when something changes, and with SHUTTING_DOWN when the server ends. */
export interface Pauses {
  pause(ms: number): Promise<void>;
  wakeAll(): void;
}

export function createPauses(clock: Clock, closed: AbortSignal): Pauses {
  const waiting = new Set<() => void>();
  return {
    pause(ms) {
      if (closed.aborted) return Promise.reject(shuttingDown());
      return new Promise<void>((resolve, reject) => {
        const end = () => {
          cancel();
          waiting.delete(wake);
          closed.removeEventListener("abort", abort);
        };
        const wake = () => {
          end();
          resolve();
        };
        const abort = () => {
          end();
          reject(shuttingDown());
        };
        const cancel = clock.schedule(ms, wake);
        waiting.add(wake);
        closed.addEventListener("abort", abort);
      });
    },
    wakeAll() {
      for (const wake of waiting) wake();
    },
  };
}

function shuttingDown(): RuntimeError {
  return new RuntimeError("SHUTTING_DOWN", "the server is shutting down");
}
