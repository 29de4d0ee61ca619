import { setTimeout as sleep } from "node:timers/promises";
import { followLogs } from "../../../src/client/index.ts";
import { createLogCheck, type LogCheck } from "../log-check.ts";
import type { Role, Stage } from "../stage.ts";

/** Readers of logs who go and come back by their cursors, and are never told a byte twice. */
export interface Streamer {
  /** Reads until `signal` ends it. */
  run(signal: AbortSignal): Promise<void>;
  /** Goes on from each cursor to the end of what is there; all services have ended. */
  finish(): Promise<void>;
}

const AT_ONCE = 4;

export function createStreamer(stage: Stage, role: Role): Streamer {
  const checks = new Map<string, LogCheck>();
  const { random, client, name } = role;

  const read = async (serviceId: string, follow: boolean, signal?: AbortSignal) => {
    const check = checks.get(serviceId) ?? createLogCheck(stage, serviceId);
    checks.set(serviceId, check);
    stage.figures.add("streams");
    const start =
      check.cursor === "" ? undefined : ({ case: "cursor", value: check.cursor } as const);
    const messages = followLogs(
      client,
      { source: { case: "serviceId", value: serviceId }, follow, ...(start && { start }) },
      { signal, onRetry: () => stage.figures.add("stream_resumes") },
    );
    for await (const message of messages) check.take(message);
  };

  return {
    async run(signal) {
      const busy = new Set<string>();
      const reader = async () => {
        while (!signal.aborted) {
          const ids = [...stage.ledger.services.keys()].filter((id) => !busy.has(id));
          if (ids.length === 0) {
            await sleep(100);
            continue;
          }
          // Mostly one of the newest: it lives.
          const serviceId = random.percent(80) ? random.pick(ids.slice(-25)) : random.pick(ids);
          busy.add(serviceId);
          const until = AbortSignal.any([signal, AbortSignal.timeout(100 + random.below(5_000))]);
          await read(serviceId, true, until);
          busy.delete(serviceId);
          await sleep(20);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, reader)).catch(stage.fail);
    },
    async finish() {
      stage.history.note(name, `reads ${checks.size} logs to their ends`);
      for (const [serviceId, check] of checks) {
        await read(serviceId, false);
        check.finish();
      }
    },
  };
}
