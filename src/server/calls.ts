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
  /** Settles as `promise` does, or at once with the reason when the call is aborted. For one at a time. */
  race<T>(promise: Promise<T>): Promise<T>;
  /** Makes the handler's signal abort. Nothing after the end, when no reason is made either. */
  abort(reason: () => Error): void;
  end(): void;
}

export function createCalls(maxCalls: number): Calls {
  const open = new Set<OpenEntry>();
  let isDraining = false;
  let onEmpty = () => {};

  return {
    open({ isStream, principal, deadline }) {
      if (isDraining) throw shuttingDown();
      if (open.size >= maxCalls) {
        throw new RuntimeError("LIMIT_EXCEEDED", `more than ${maxCalls} calls at a time`);
      }
      const entry = createEntry(isStream);
      open.add(entry);
      return {
        context: {
          get signal() {
            return entry.signal();
          },
          principal,
          ...(deadline === undefined ? {} : { deadline }),
        },
        race: entry.race,
        abort(reason) {
          if (open.has(entry)) entry.abort(reason());
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

interface OpenEntry {
  readonly isStream: boolean;
  signal(): AbortSignal;
  race<T>(promise: Promise<T>): Promise<T>;
  abort(reason: Error): void;
}

/** A signal costs more than a short call does otherwise: it is made when somebody asks for it. */
function createEntry(isStream: boolean): OpenEntry {
  let controller: AbortController | undefined;
  let reason: Error | undefined;
  let giveUp: ((reason: Error) => void) | undefined;
  return {
    isStream,
    signal() {
      controller ??= new AbortController();
      if (reason !== undefined) controller.abort(reason);
      return controller.signal;
    },
    race: (promise) =>
      new Promise((resolve, reject) => {
        promise.then(resolve, reject);
        if (reason === undefined) giveUp = reject;
        else reject(reason);
      }),
    abort(why) {
      reason ??= why;
      controller?.abort(reason);
      giveUp?.(reason);
    },
  };
}

export function shuttingDown(): RuntimeError {
  return new RuntimeError("SHUTTING_DOWN", "the server is shutting down; services go on");
}
