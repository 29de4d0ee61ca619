import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";
import type { CollectGarbage } from "./collect-garbage.ts";

/** Not at once: a server that has just started has better things to do. */
const FIRST_MS = 5 * 60_000;
const DAY_MS = 24 * 60 * 60_000;

/** Collects garbage some minutes after the start and once a day, until the returned function is called. */
export function scheduleGarbage(options: {
  readonly collect: CollectGarbage;
  readonly clock: Clock;
  readonly log: Logger;
}): () => void {
  const { collect, clock, log } = options;
  let closed = false;
  const run = async () => {
    try {
      const result = await collect({ dryRun: false, companyId: "" });
      log.info({ ...result }, "garbage collected");
    } catch (err) {
      log.warn({ err }, "garbage not collected");
    }
    if (!closed) cancel = clock.schedule(DAY_MS, () => void run());
  };
  let cancel = clock.schedule(FIRST_MS, () => void run());
  return () => {
    closed = true;
    cancel();
  };
}
