import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createHouse,
  fixture,
  type House,
  PROOFS,
  processesOf,
  processesWith,
} from "../supervisor/support.ts";
import { eventually } from "../support/eventually.ts";

/**
 * Hazard 16: after a stop nothing of the tree lives. Each tree is made so that one of the usual ways of ending a tree
 * misses it; TAG stands in all command lines, so that the test need not believe what the supervisor looks at.
 */
const TREES: readonly {
  name: string;
  command: string;
  /** Found only by what knows descendants that shed everything. */
  needs?: "SUBREAPER";
  /** Stopped only after main process and output have ended. */
  late?: boolean;
}[] = [
  { name: "a background list", command: "sleep 1000 & exec sh -c 'sleep 1000; :' TAG" },
  { name: "nohup", command: "nohup sh -c 'sleep 1000; :' TAG & sleep 1000" },
  { name: "a session of its own", command: "setsid sh -c 'sleep 1000; :' TAG & sleep 1000" },
  {
    name: "TERM ignored",
    command: `sh -c 'trap "" TERM; while :; do sleep 1; done' TAG & trap "" TERM; while :; do sleep 1; done`,
  },
  {
    name: "HUP and INT ignored",
    command: `sh -c 'trap "" HUP INT; while :; do sleep 1; done' TAG & wait`,
  },
  {
    name: "the environment emptied and the session left",
    command:
      "env -i setsid sh -c 'sleep 1000; :' TAG & env -i sh -c 'sleep 1000; :' TAG & sleep 1000",
  },
  {
    name: "the main process gone, the rest in its session without its marker",
    command: "env -i sh -c 'sleep 1000; :' TAG >/dev/null 2>&1 & exit 0",
  },
  {
    name: "a process group for each task, environment scrubbed, as task runners do",
    command: `exec ${process.execPath} ${fixture("task-runner.mjs")} TAG`,
  },
  { name: "successors forked while dying", command: `sh ${fixture("fork-while-dying.sh")} TAG` },
  {
    name: "the issue's own",
    command: 'sleep 1000 & setsid sleep 1000 & trap "" TERM; while :; do sleep 1; done # TAG',
  },
  {
    name: "a full daemon: two forks, session, environment and output all shed",
    command: `sh ${fixture("double-fork.sh")} TAG; sleep 1000`,
    needs: "SUBREAPER",
  },
  {
    name: "a full daemon that outlives its starter",
    command: `sh ${fixture("double-fork.sh")} TAG; sleep 0.1`,
    needs: "SUBREAPER",
    late: true,
  },
];

describe.each(PROOFS)(
  "hazard 16, with at most %s: nothing lives after a stop of",
  (strongestProof) => {
    let house: House;
    let tag: string;
    beforeEach(async () => {
      house = createHouse();
      await house.supervisor({ strongestProof });
      tag = `tag-${randomUUID()}`;
    });
    afterEach(async () => {
      for (const pid of processesWith(tag)) process.kill(pid, "SIGKILL");
      await house.close();
    });

    // A plain scan finds evidence only; what sheds all of it is why its receipt says SCAN.
    const trees = TREES.filter(({ needs }) => needs === undefined || strongestProof !== "SCAN");
    it.each(trees)("$name", async ({ command, late }) => {
      const instance = await house.start(command.replaceAll("TAG", tag), {
        env: { PATH: process.env.PATH ?? "" },
      });
      await eventually(() => processesWith(tag).length > 0);
      if (late) await instance.drained;
      const outcome = await instance.stop({ graceMs: 150 });
      expect(processesWith(tag)).toEqual([]);
      expect(outcome).toMatchObject({ proven: true, survivors: [] });
      await instance.exited;
      await instance.drained;
      await eventually(() => processesOf(house.installationId).length === 0);
    });
  },
);
