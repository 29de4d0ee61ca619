/** The calls of one client that are in flight, so that closing the client ends them. */
export interface OpenCalls {
  /** Every call that was opened must be ended. */
  open(signal?: AbortSignal): OpenCall;
  /** Aborts the signals of all that are open. */
  abortAll(reason: Error): void;
}

export interface OpenCall {
  /** Aborts with the caller's own signal, by `abort`, and by `abortAll`. */
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
  end(): void;
}

export function createOpenCalls(): OpenCalls {
  const calls = new Set<AbortController>();
  return {
    open(signal) {
      const controller = new AbortController();
      const onAbort = () => controller.abort(signal?.reason);
      if (signal?.aborted) onAbort();
      signal?.addEventListener("abort", onAbort, { once: true });
      calls.add(controller);
      return {
        signal: controller.signal,
        abort: (reason) => controller.abort(reason),
        end() {
          calls.delete(controller);
          // The caller's signal may outlive a million calls.
          signal?.removeEventListener("abort", onAbort);
        },
      };
    },
    abortAll(reason) {
      for (const controller of calls) controller.abort(reason);
    },
  };
}
