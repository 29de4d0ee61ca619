import { setTimeout as sleep } from "node:timers/promises";
import { observe } from "../support/invariants.ts";
import { createAnchors } from "./cast/anchors.ts";
import { control } from "./cast/controller.ts";
import { createStreamer } from "./cast/streamer.ts";
import { visit } from "./cast/visitor.ts";
import { createWatcher } from "./cast/watcher.ts";
import { work } from "./cast/worker.ts";
import { type CheckParts, check, findLeftovers, restartsByPolicy } from "./checks.ts";
import { lookForDoubles } from "./doubles.ts";
import { checkEdits } from "./edits.ts";
import { killLeftovers, stopEverything } from "./ending.ts";
import { becomesReady, live, raise } from "./life.ts";
import type { ChaosOptions } from "./options.ts";
import { planOf } from "./plan.ts";
import { createRole, perform, type Role, type Stage } from "./stage.ts";

const STORIES = {
  worker: { story: work, count: 3 },
  visitor: { story: visit, count: 2 },
  person: { story: control, count: 2 },
} as const;

/** The longest step of anyone, with a server that dies meanwhile. */
const QUIET_MS = 150_000;
/** Between two steps of one actor, at most. */
const PACE_MS = 80;

/**
 * Plays until the time or the kills are used up, or `failed` aborts: a cast at work, a server that is killed again and
 * again, a look at everything after each start. Ends with all services stopped and the server gone.
 * @throws whatever was wrong first
 */
export async function play(
  stage: Stage,
  options: ChaosOptions,
  failed: AbortSignal,
): Promise<void> {
  const { figures, history, gate, ledger, scene } = stage;
  const [readersEnd, allEnd] = [new AbortController(), new AbortController()];
  const director = createRole(stage, "director");
  const failure = new Promise<never>((_, reject) => {
    failed.addEventListener("abort", () => reject(failed.reason), { once: true });
  });
  let server = raise(stage);

  const perform_ = async () => {
    await becomesReady(server);
    const anchors = await createAnchors(stage, director);
    allEnd.signal.addEventListener("abort", () => anchors.close());
    const watchers = [false, true].map((comesBack, index) =>
      createWatcher(stage, createRole(stage, `watcher-${index}`), comesBack),
    );
    for (const watcher of watchers) void watcher.run(allEnd.signal);
    void lookForDoubles(stage, allEnd.signal);
    const streamers = [0, 1].map((n) => createStreamer(stage, createRole(stage, `reader-${n}`)));
    const reading = streamers.map((streamer) => streamer.run(readersEnd.signal));
    const acting = enlist(stage);

    const parts: CheckParts = { stage, role: director, watchers, anchors: anchors.services };
    const look = async () => {
      await gate.close(QUIET_MS, server.over);
      const isAlive = !server.isOver() && (await check(parts, server.isOver));
      gate.open();
      await anchors.ping();
      return isAlive;
    };
    const until = performance.now() + options.minutes * 60_000;
    for (let number = 1; ; number += 1) {
      await live(stage, server, look);
      if (figures.counts.kills >= options.kills || performance.now() > until) break;
      server = raise(stage, planOf(stage.seed, number));
    }
    server = raise(stage);
    await becomesReady(server);
    await look();

    history.note("director", "the end: the cast leaves, everything is looked at and stopped");
    gate.end();
    await Promise.all(acting);
    await check(parts, server.isOver);
    for (const workspace of ledger.workspaces.values()) {
      const { workspaceId } = workspace;
      const row = (await director.client.getWorkspace({ workspaceId })).workspace;
      checkEdits(stage, workspace, row?.rescueRef ?? "");
    }
    readersEnd.abort();
    await Promise.all(reading);
    anchors.close();
    await stopEverything(stage, director, scene.dataDir);
    for (const streamer of streamers) await streamer.finish();
    await check({ ...parts, anchors: [] }, server.isOver);
    const last = await observe(director.client, scene.dataDir);
    figures.add("restarts_by_policy", restartsByPolicy(stage, last));
    const left = findLeftovers(last);
    if (left.length > 0) throw new Error(left.join("\n"));
  };

  try {
    await Promise.race([perform_(), failure]);
  } catch (error) {
    for (const line of server.stderrTail().trim().split("\n").slice(-40)) {
      history.note("server", line);
    }
    stage.fail(error);
    throw error;
  } finally {
    gate.end();
    readersEnd.abort();
    allEnd.abort();
    await end();
  }

  async function end() {
    try {
      if (server.isOver()) server = raise(stage);
      if (failed.aborted && (await becomesReady(server))) {
        await stopEverything(stage, director, scene.dataDir);
      }
    } catch (error) {
      history.note("director", `not everything could be stopped: ${error}`);
    }
    await server.kill("SIGTERM");
    const left = killLeftovers(scene.dataDir);
    if (left > 0) history.note("director", `${left} processes were left and killed`);
  }
}

function enlist(stage: Stage): Promise<void>[] {
  return Object.entries(STORIES).flatMap(([kind, { story, count }]) =>
    Array.from({ length: count }, (_, index) => {
      const role: Role = createRole(stage, `${kind}-${index}`);
      const told = story(stage, role);
      return perform(stage, role, async () => {
        await told.next();
        await sleep(role.random.below(PACE_MS));
      });
    }),
  );
}
