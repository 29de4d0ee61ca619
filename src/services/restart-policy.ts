import type { RestartPolicy } from "../model/service-spec.ts";
import type { RestartRules } from "./state.ts";

const MAX_RESTARTS = 5;
const MAX_MOVES = 3;
const INITIAL_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;
const RESET_AFTER_MS = 60_000;

/** `movable`: what it is started with can be rendered anew, for other ports. */
export function restartRules(
  policy: RestartPolicy | undefined,
  { movable = false }: { readonly movable?: boolean } = {},
): RestartRules {
  return {
    mode: policy?.mode ?? "NEVER",
    maxRestarts: policy?.maxRestarts ?? MAX_RESTARTS,
    maxMoves: movable ? MAX_MOVES : 0,
  };
}

/** The pause before the restart of this number in a row: doubled each time, up to the longest. */
export function backoffMs(policy: RestartPolicy | undefined, restart: number): number {
  const longest = policy?.maxBackoffMs ?? MAX_BACKOFF_MS;
  const doubled = (policy?.initialBackoffMs ?? INITIAL_BACKOFF_MS) * 2 ** Math.max(0, restart - 1);
  return Math.min(doubled, longest);
}

/** Having run for so long, it starts with a clean count. */
export function resetAfterMs(policy: RestartPolicy | undefined): number {
  return policy?.resetAfterMs ?? RESET_AFTER_MS;
}
