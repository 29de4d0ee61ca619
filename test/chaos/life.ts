import { setTimeout as sleep } from "node:timers/promises";
import { type Generation, startGeneration } from "./generation.ts";
import { CALM, type Plan } from "./plan.ts";
import type { Stage } from "./stage.ts";

/** A generation of the server, and how it shall end. */
export interface Mortal extends Generation {
  readonly plan: Plan;
}

/** Even with all cores busy, and a failpoint that holds the start up. */
const START_MS = 120_000;

export function raise(stage: Stage, plan: Plan = CALM): Mortal {
  const { figures, history, scene } = stage;
  const generation = startGeneration(scene, plan.failpoints);
  figures.add("generations");
  const number = figures.counts.generations;
  history.note("killer", `generation ${number} is ${generation.pid} ${plan.failpoints}`);
  generation.over.then(({ code, signal }) =>
    history.note("killer", `generation ${number} is over: ${signal ?? code}`),
  );
  return { ...generation, plan };
}

/** True when it serves, false when it died before. @throws Error if it does neither */
export async function becomesReady(generation: Generation): Promise<boolean> {
  const timeout = new AbortController();
  try {
    return await Promise.race([
      generation.ready,
      sleep(START_MS, undefined, { signal: timeout.signal, ref: false }).then(() => {
        throw new Error(
          `the server is not ready after ${START_MS} ms:\n${generation.stderrTail()}`,
        );
      }),
    ]);
  } finally {
    timeout.abort();
  }
}

/**
 * Lives as planned, `look` included, which tells whether it lived on; then dies of its failpoint or is killed.
 * @throws Error if it ended in any other way
 */
export async function live(
  stage: Stage,
  mortal: Mortal,
  look: () => Promise<boolean>,
): Promise<void> {
  const { figures, history } = stage;
  const { killAfterStartMs, lifeMs } = mortal.plan;
  if (killAfterStartMs !== undefined) await Promise.race([sleep(killAfterStartMs), mortal.over]);
  else if ((await becomesReady(mortal)) && (await look())) {
    await Promise.race([sleep(lifeMs), mortal.over]);
  }
  const isOver = mortal.isOver();
  if (!isOver) history.note("killer", `kills ${mortal.pid}`);
  const { code, signal } = await mortal.kill("SIGKILL");
  if (signal !== "SIGKILL") {
    throw new Error(`the server ended by itself: ${signal ?? code}\n${mortal.stderrTail()}`);
  }
  figures.add("kills");
  if (isOver) figures.add("kills_by_failpoint");
  else if (killAfterStartMs !== undefined) figures.add("kills_at_start");
}
