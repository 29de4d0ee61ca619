import type { ServiceFailure } from "../errors.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { StartOutcome } from "./failure.ts";

/** One try to bring a service up: the first, or one of its restarts. */
export interface StartAttempt {
  /** Ready, or why not: told once, to everybody who waits for this try. */
  readonly outcome: PromiseWithResolvers<StartOutcome>;
  /** Aborts when there is nothing left to probe. */
  readonly probing: AbortController;
  /** Its process; undefined when there is none. */
  instance: Promise<Instance | undefined>;
  failure?: ServiceFailure;
  /** Of an early exit: its output is still being read, and belongs into what is told. */
  lastWords?: Promise<void>;
}

export function newStartAttempt(): StartAttempt {
  return {
    outcome: Promise.withResolvers<StartOutcome>(),
    probing: new AbortController(),
    instance: Promise.resolve(undefined),
  };
}
