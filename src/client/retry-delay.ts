import type { ConnectError } from "@connectrpc/connect";
import { errorDetails } from "./error-details.ts";

const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 5_000;

/**
 * How long to wait before the next try, after `tries` that failed (0: the first has just failed): doubled each time
 * and scattered, so that a thousand clients do not come back in one moment, and never less than the server asked for.
 */
export function retryDelayMs(error: ConnectError, tries: number): number {
  const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(tries, 16));
  const scattered = ceiling * (0.5 + Math.random() / 2);
  const asked = errorDetails(error).retryAfterMs ?? 0;
  return Math.max(scattered, asked * (1 + Math.random() / 4));
}
