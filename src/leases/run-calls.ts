import { RuntimeError } from "../errors.ts";

/**
 * The calls in flight of each run. ReleaseRun must leave no lease behind, also not one that a call
 * of the same run is about to write: it marks the run's calls, waits for the writes that had begun,
 * and only then deletes.
 */
export interface RunCalls {
  enter(runId: string): RunCall;
  /** Ends the run's calls with RUN_RELEASED; resolves when none of them will write any more. */
  release(runId: string): Promise<void>;
}

export interface RunCall {
  /** Aborts with RUN_RELEASED. */
  readonly released: AbortSignal;
  /** Runs a write of leases, unless the run was released. */
  write<T>(work: () => Promise<T>): Promise<T>;
  leave(): void;
}

export function createRunCalls(): RunCalls {
  const calls = new Map<
    string,
    Set<{ controller: AbortController; writes: Set<Promise<unknown>> }>
  >();

  return {
    enter(runId) {
      const call = { controller: new AbortController(), writes: new Set<Promise<unknown>>() };
      const ofRun = calls.get(runId) ?? new Set();
      calls.set(runId, ofRun.add(call));
      return {
        released: call.controller.signal,
        async write(work) {
          call.controller.signal.throwIfAborted();
          const writing = work();
          call.writes.add(writing);
          try {
            return await writing;
          } finally {
            call.writes.delete(writing);
          }
        },
        leave() {
          ofRun.delete(call);
          if (ofRun.size === 0 && calls.get(runId) === ofRun) calls.delete(runId);
        },
      };
    },
    async release(runId) {
      const ofRun = [...(calls.get(runId) ?? [])];
      for (const { controller } of ofRun) {
        controller.abort(new RuntimeError("RUN_RELEASED", `run ${runId} was released meanwhile`));
      }
      await Promise.allSettled(ofRun.flatMap(({ writes }) => [...writes]));
    },
  };
}
