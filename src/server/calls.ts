import { RuntimeError } from "../errors.ts";
import type { CallContext, Principal } from "../rpc/context.ts";

/** The calls in flight of all listeners: how many may be, and how they end when the server does. */
export interface Calls {
  /** Throws LIMIT_EXCEEDED or SHUTTING_DOWN. Every call that was opened must be ended. */
  open(options: OpenCall): Call;
  /**
   * Refuses new calls, ends streams with SHUTTING_DOWN at once and waits for the others; those still
   * there after `graceMs` are ended too. Their handlers go on: only the answers end.
   */
  drain(graceMs: number): Promise<void>;
  readonly inFlight: number;
}

export interface OpenCall {
  readonly isStream: boolean;
  readonly principal: Principal;
  /** Epoch ms. */
  readonly deadline?: number;
}

export interface Call {
  readonly context: CallContext;
  /** Makes the handler's signal abort. Nothing after the end. */
  abort(reason: Error): void;
  end(): void;
}

export function createCalls(maxCalls: number): Calls {
  const open = new Set<{ readonly isStream: boolean; abort(reason: Error): void }>();
  let isDraining = false;
  let onEmpty = () => {};

  return {
    open({ isStream, principal, deadline }) {
      if (isDraining) throw shuttingDown();
      if (open.size >= maxCalls) {
        throw new RuntimeError("LIMIT_EXCEEDED", `more than ${maxCalls} calls at a time`);
      }
      const controller = new AbortController();
      const entry = { isStream, abort: (reason: Error) => controller.abort(reason) };
      open.add(entry);
      return {
        context: {
          signal: controller.signal,
          principal,
          ...(deadline === undefined ? {} : { deadline }),
        },
        abort(reason) {
          if (open.has(entry)) controller.abort(reason);
        },
        end() {
          if (open.delete(entry) && open.size === 0) onEmpty();
        },
      };
    },

    async drain(graceMs) {
      isDraining = true;
      for (const call of open) if (call.isStream) call.abort(shuttingDown());
      if (!(await emptyWithin(graceMs))) {
        for (const call of open) call.abort(shuttingDown());
      }
    },

    get inFlight() {
      return open.size;
    },
  };

  function emptyWithin(ms: number): Promise<boolean> {
    if (open.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ms);
      onEmpty = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}

export function shuttingDown(): RuntimeError {
  return new RuntimeError("SHUTTING_DOWN", "the server is shutting down; services go on");
}
