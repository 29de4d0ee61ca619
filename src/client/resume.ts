import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorDetails } from "./error-details.ts";
import { retryDelayMs } from "./retry-delay.ts";

export interface ResumeOptions {
  /** Ends the iteration, quietly. */
  readonly signal?: AbortSignal | undefined;
  /** Called before each wait after a lost connection. */
  readonly onRetry?: ((error: ConnectError, delayMs: number) => void) | undefined;
  /** Throw the last error after so long without a word from the server; default: never. */
  readonly giveUpAfterMs?: number | undefined;
}

/**
 * Runs `attempt` again and again, each from where the one before came to, until one ends by itself. A lost connection
 * and a server that is away, or whatever else `isPassing`, are waited out, ever longer; every other error is thrown.
 */
export async function* resume<T>(
  attempt: (signal: AbortSignal) => AsyncIterable<T>,
  options: ResumeOptions,
  isPassing: (error: ConnectError) => boolean = isAwayOrFull,
): AsyncGenerator<T, void, undefined> {
  const { signal, onRetry, giveUpAfterMs = Number.POSITIVE_INFINITY } = options;
  let tries = 0;
  let heardAt = performance.now();
  while (!signal?.aborted) {
    const call = new AbortController();
    const onAbort = () => call.abort(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      for await (const item of attempt(call.signal)) {
        tries = 0;
        heardAt = performance.now();
        yield item;
        if (signal?.aborted) return;
      }
      return;
    } catch (error) {
      if (signal?.aborted) return;
      if (!(error instanceof ConnectError) || !isPassing(error)) throw error;
      if (performance.now() - heardAt > giveUpAfterMs) throw error;
      const delayMs = retryDelayMs(error, tries++);
      onRetry?.(error, delayMs);
      await sleep(delayMs, undefined, signal ? { signal } : {}).catch(() => {});
    } finally {
      signal?.removeEventListener("abort", onAbort);
      // The consumer may have left the loop in the middle of a stream.
      call.abort();
    }
  }
}

/** A stream that closed without saying that it has ended. */
export function cutShort(): ConnectError {
  return new ConnectError("the stream closed before its end", Code.Unavailable);
}

function isAwayOrFull(error: ConnectError): boolean {
  if (error.code === Code.Unavailable) return true;
  // Too many streams: the server says when to try again.
  return error.code === Code.ResourceExhausted && errorDetails(error).retryAfterMs !== undefined;
}
