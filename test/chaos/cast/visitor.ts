import { KINDS, type Kind } from "../catalogue.ts";
import type { Role, Stage } from "../stage.ts";
import { ensure, release } from "./run.ts";

/** Runs that use what others prepared: they join, start, hold, and release, at times while they still ask. */
export async function* visit(stage: Stage, role: Role): AsyncGenerator<void> {
  const { random } = role;
  for (let number = 1; ; number += 1) {
    const runId = `${role.name}-${number}`;
    for (let calls = 1 + random.below(3); calls > 0; calls -= 1) {
      const places = [...stage.ledger.workspaces.values()].filter(({ place }) => place !== "gone");
      if (places.length > 0) {
        const { workspaceId } = random.pick(places);
        const kinds: Kind[] = [random.pick(KINDS), "failing"];
        if (random.percent(70)) kinds.pop();
        if (random.percent(20)) {
          const asked = ensure(stage, role, runId, workspaceId, kinds);
          await Promise.all([asked, release(stage, role, runId)]);
          // Whichever came last: an ensure that was cut and made again may have leased anew.
          stage.ledger.runs.set(runId, "open");
        } else await ensure(stage, role, runId, workspaceId, kinds);
      }
      yield;
    }
    await release(stage, role, runId);
    yield;
  }
}
