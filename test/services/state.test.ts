import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ServiceExit } from "../../src/model/service.ts";
import {
  type Effect,
  isOver,
  type Life,
  type LifeEvent,
  newLife,
  type RestartRules,
  transition,
} from "../../src/services/state.ts";
import { createWorld, type World } from "./simulated-world.ts";

const exit = fc.oneof(
  fc.record({ code: fc.integer({ min: 0, max: 128 }), exitTime: fc.constant(1) }),
  fc.record({ signal: fc.constantFrom("SIGTERM", "SIGKILL"), exitTime: fc.constant(1) }),
  fc.record({ exitTime: fc.constant(1) }),
);
const event: fc.Arbitrary<LifeEvent> = fc.oneof(
  fc.constant<LifeEvent>({ type: "spawned" }),
  fc.constant<LifeEvent>({ type: "spawn-failed", message: "no shell" }),
  fc.constant<LifeEvent>({ type: "ready" }),
  fc.boolean().map((portTaken): LifeEvent => ({ type: "not-ready", message: "503", portTaken })),
  fc.record({
    type: fc.constant("exited" as const),
    exit,
    stable: fc.boolean(),
    portTaken: fc.boolean(),
  }),
  fc
    .constantFrom("STOP_REQUESTED" as const, "LEASES_ENDED" as const, "IDLE_TIMEOUT" as const)
    .map((reason): LifeEvent => ({ type: "stop", reason })),
  fc.constant<LifeEvent>({ type: "health", health: "UNHEALTHY" }),
  fc
    .constantFrom("RESTARTED" as const, "UNHEALTHY" as const)
    .map((reason): LifeEvent => ({ type: "restart", reason })),
  fc.constant<LifeEvent>({ type: "backoff-over" }),
  fc.boolean().map((proven): LifeEvent => ({ type: "ended", proven, message: "pid 7 lives" })),
);

const rules: fc.Arbitrary<RestartRules> = fc.record({
  mode: fc.constantFrom("NEVER", "ON_FAILURE", "ALWAYS"),
  maxRestarts: fc.integer({ min: 0, max: 3 }),
  maxMoves: fc.integer({ min: 0, max: 3 }),
});

function startsOne(effect: Effect): boolean {
  return effect === "spawn" || effect === "spawn-elsewhere";
}

/** Runs the events and gives each step with the life before it. */
function run(events: readonly LifeEvent[], policy?: RestartRules) {
  let life: Life = newLife;
  return events.map((happened) => {
    const before = life;
    const { life: after, effects } = transition(life, happened, policy);
    life = after;
    return { before, happened, after, effects };
  });
}

describe("the life of a service", () => {
  it("is STOPPED or FAILED only after a proof, or when nothing ever ran", () => {
    fc.assert(
      fc.property(fc.array(event), rules, (events, policy) => {
        for (const { before, happened, after } of run(events, policy)) {
          if (isOver(after.state) && !isOver(before.state)) {
            const proven = happened.type === "ended" && happened.proven;
            // Nothing lives while a start is only being prepared, or a restart waited for.
            const nothing = happened.type === "spawn-failed" || before.state === "BACKOFF";
            expect(proven || nothing).toBe(true);
          }
        }
      }),
    );
  });

  it("settles exactly once, and never leaves its end", () => {
    fc.assert(
      fc.property(fc.array(event), rules, (events, policy) => {
        const steps = run(events, policy);
        const settled = steps.flatMap(({ effects }) => effects).filter((e) => e === "settle");
        expect(settled.length).toBe(steps.some(({ after }) => isOver(after.state)) ? 1 : 0);
        for (const { before, after } of steps) if (isOver(before.state)) expect(after).toBe(before);
      }),
    );
  });

  it("asks for the end of the tree whenever it begins to stop, and gives a reason", () => {
    fc.assert(
      fc.property(fc.array(event), rules, (events, policy) => {
        for (const { before, after, effects } of run(events, policy)) {
          if (after.state === "STOPPING" && before.state !== "STOPPING") {
            expect(effects).toEqual<Effect[]>(["end-tree"]);
            expect(after.reason).toBeDefined();
          }
        }
      }),
    );
  });

  it.each([
    ["a stop that was asked for", { type: "stop", reason: "STOP_REQUESTED" }, 143, "STOPPED"],
    ["an exit with 0", undefined, 0, "STOPPED"],
    ["an exit with 3", undefined, 3, "FAILED"],
  ] as const)("ends after %s as it should", (_, stop, code, state) => {
    const events: LifeEvent[] = [
      { type: "spawned" },
      { type: "ready" },
      ...(stop === undefined ? [] : [stop as LifeEvent]),
      { type: "exited", exit: { code, exitTime: 1 }, stable: false },
      { type: "ended", proven: true, message: "" },
    ];
    expect(run(events).at(-1)?.after.state).toBe(state);
  });

  it("fails when it exits before it is ready, with whatever code", () => {
    const last = run([
      { type: "spawned" },
      { type: "exited", exit: { code: 0, exitTime: 1 }, stable: false },
      { type: "ended", proven: true, message: "" },
    ]).at(-1)?.after;
    expect(last).toMatchObject({ state: "FAILED", reason: "EXITED_EARLY", health: "UNHEALTHY" });
  });

  it("stays STOPPING with the survivors named when the end cannot be proven, and tries again", () => {
    const steps = run([
      { type: "ready" },
      { type: "stop", reason: "STOP_REQUESTED" },
      { type: "ended", proven: false, message: "pid 7 lives" },
      { type: "stop", reason: "STOP_REQUESTED" },
    ]);
    expect(steps[2]?.after).toMatchObject({ state: "STOPPING", message: "pid 7 lives" });
    expect(steps[3]?.effects).toEqual(["end-tree"]);
  });

  it("starts a next instance only when nothing of the last one lives", () => {
    fc.assert(
      fc.property(fc.array(event), rules, (events, policy) => {
        for (const { before, happened, effects } of run(events, policy)) {
          if (!effects.some(startsOne)) continue;
          const proven = happened.type === "ended" && happened.proven;
          expect(proven || before.state === "BACKOFF").toBe(true);
        }
      }),
    );
  });

  it("never starts again what somebody stopped, and never more often in a row than allowed", () => {
    fc.assert(
      fc.property(fc.array(event), rules, (events, policy) => {
        let stopped = false;
        for (const { before, happened, after, effects } of run(events, policy)) {
          if (happened.type === "stop" && !isOver(before.state)) stopped = true;
          if (stopped) expect(effects.filter(startsOne)).toEqual([]);
          expect(after.restarts).toBeLessThanOrEqual(policy.maxRestarts);
        }
      }),
    );
  });

  it("moves to other ports only after a start on one that was taken, and only so often in a row", () => {
    fc.assert(
      fc.property(fc.array(event), rules, (events, policy) => {
        let taken = false;
        let moved = 0;
        for (const { before, happened, after, effects } of run(events, policy)) {
          if (before.state === "STARTING" && "portTaken" in happened) {
            taken = happened.portTaken === true;
          }
          if (effects.includes("spawn-elsewhere")) {
            expect(taken).toBe(true);
            moved += 1;
          }
          if (after.state === "RUNNING") moved = 0;
          expect(moved).toBeLessThanOrEqual(policy.maxMoves ?? 0);
        }
      }),
    );
  });

  it("starts again on another port, whatever its policy, and then tells the last failure", () => {
    const taken: LifeEvent[] = [
      { type: "spawned" },
      {
        type: "exited",
        exit: { code: 1, exitTime: 1 },
        stable: false,
        portTaken: true,
      },
      { type: "ended", proven: true, message: "" },
    ];
    const policy: RestartRules = { mode: "NEVER", maxRestarts: 0, maxMoves: 3 };
    const steps = run([...taken, ...taken, ...taken, ...taken], policy);
    const moves = steps
      .flatMap(({ effects }) => effects)
      .filter((one) => one === "spawn-elsewhere");
    expect(moves).toHaveLength(3);
    expect(steps.at(-1)?.after).toMatchObject({ state: "FAILED", reason: "EXITED_EARLY" });
    expect(run([...taken, { type: "ready" }], policy).at(-1)?.after).toMatchObject({
      state: "RUNNING",
      moves: 0,
    });
    expect(run(taken).at(-1)?.after).toMatchObject({ state: "FAILED" });
  });

  it("tells a kill for memory as one, before and after it was ready", () => {
    const exit = { signal: "SIGKILL", exitTime: 1, reason: "OOM_KILLED" } as const;
    const killed: LifeEvent[] = [
      { type: "exited", exit, stable: false },
      { type: "ended", proven: true, message: "" },
    ];
    const over = { state: "FAILED", reason: "OOM_KILLED", health: "UNHEALTHY" };
    expect(run(killed).at(-1)?.after).toMatchObject(over);
    expect(run([{ type: "ready" }, ...killed]).at(-1)?.after).toMatchObject(over);
  });

  it("backs off after a crash, and ends in CRASH_LOOP", () => {
    const crash: LifeEvent[] = [
      { type: "spawned" },
      { type: "ready" },
      { type: "exited", exit: { code: 1, exitTime: 1 }, stable: false },
      { type: "ended", proven: true, message: "" },
      { type: "backoff-over" },
    ];
    const steps = run([...crash, ...crash, ...crash], { mode: "ON_FAILURE", maxRestarts: 2 });
    expect(
      steps.map(({ after }) => after.state).filter((state) => state === "BACKOFF"),
    ).toHaveLength(2);
    expect(steps.at(-1)?.after).toMatchObject({ state: "FAILED", reason: "CRASH_LOOP" });
  });

  it("counts anew after it ran for long enough", () => {
    const crash: LifeEvent[] = [
      { type: "ready" },
      { type: "exited", exit: { signal: "SIGKILL", exitTime: 1 }, stable: true },
      { type: "ended", proven: true, message: "" },
      { type: "backoff-over" },
    ];
    const steps = run([...crash, ...crash, ...crash], { mode: "ALWAYS", maxRestarts: 1 });
    expect(steps.at(-1)?.after).toMatchObject({ state: "STARTING", restarts: 1 });
  });

  it("restarts on request under the same life, whatever its policy", () => {
    const steps = run([
      { type: "ready" },
      { type: "restart", reason: "RESTARTED" },
      { type: "exited", exit: { signal: "SIGTERM", exitTime: 1 }, stable: false },
      { type: "ended", proven: true, message: "" },
    ]);
    expect(steps.at(-1)).toMatchObject({ after: { state: "STARTING" }, effects: ["spawn"] });
  });
});

/** What may happen in any order; `choice` picks among what is pending. */
type Happening =
  | { readonly type: "work"; readonly choice: number; readonly well: boolean }
  | { readonly type: "exit"; readonly exit: ServiceExit; readonly leavesRest: boolean }
  | { readonly type: "told"; readonly event: LifeEvent }
  | { readonly type: "server-killed"; readonly spawn: "begun" | "prepared" | "none" }
  | { readonly type: "server-started" };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 12, arbitrary: work() },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("exit" as const),
      exit,
      leavesRest: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom<LifeEvent>(
        { type: "stop", reason: "STOP_REQUESTED" },
        { type: "stop", reason: "LEASES_ENDED" },
        { type: "restart", reason: "RESTARTED" },
        { type: "restart", reason: "UNHEALTHY" },
        { type: "health", health: "UNHEALTHY" },
        { type: "backoff-over" },
      )
      .map((told) => ({ type: "told" as const, event: told })),
  },
  fc.record({
    type: fc.constant("server-killed" as const),
    spawn: fc.constantFrom("begun" as const, "prepared" as const, "none" as const),
  }),
  { weight: 3, arbitrary: fc.constant<Happening>({ type: "server-started" }) },
);

function work(): fc.Arbitrary<Happening> {
  // Mostly well: what fails at its first step has no story to tell.
  const well = fc.nat(5).map((share) => share > 0);
  return fc.record({ type: fc.constant("work" as const), choice: fc.nat(7), well });
}

function happen(world: World, what: Happening): void {
  switch (what.type) {
    case "work": {
      const pending = world.pending();
      const first = what.choice % Math.max(pending.length, 1);
      [...pending.slice(first), ...pending.slice(0, first)].find((item) =>
        world.finish(item, what.well),
      );
      break;
    }
    case "exit":
      world.exit(what.exit, what.leavesRest);
      break;
    case "told":
      world.tell(what.event);
      break;
    case "server-killed":
      world.killServer(what.spawn);
      break;
    case "server-started":
      world.startServer();
      break;
  }
}

/** What must hold at every moment, whoever lives. */
function checkWorld(world: World): void {
  const row = world.row();
  const living = world.living();
  expect(living.length).toBeLessThanOrEqual(1);
  if (isOver(row.state)) expect(living).toEqual([]);
  // A process that its row does not name would be lost with the next server.
  for (const instance of living) expect(instance).toBe(row.instance);
  if (row.state !== "STARTING" && row.state !== "RUNNING") {
    expect(row.stateReason ?? row.stateMessage).toBeTruthy();
  }
  if (world.life() !== undefined && !isOver(row.state)) {
    const unproven = row.state === "STOPPING" && row.stateMessage !== "" && living.length > 0;
    const followed = world.pending().some(({ instance }) => instance === row.instance);
    expect(followed || unproven).toBe(true);
  }
}

describe("a service in its world, through deaths of the server at any point", () => {
  const stories = fc.array(happening, { maxLength: 60, size: "max" });
  const check = (property: (story: readonly Happening[], policy: RestartRules) => void) =>
    fc.assert(fc.property(stories, rules, property), { numRuns: 2_000 });

  it("has one live process at most, ends only with none, and is never stuck", () => {
    check((story, policy) => {
      const world = createWorld(policy);
      for (const what of story) {
        happen(world, what);
        checkWorld(world);
      }
    });
  });

  it("comes to its end when it is stopped, whatever has been", () => {
    check((story, policy) => {
      const world = createWorld(policy);
      for (const what of story) happen(world, what);
      world.startServer();
      world.tell({ type: "stop", reason: "STOP_REQUESTED" });
      for (let steps = 0; steps < 20 && !isOver(world.row().state); steps += 1) {
        const next = world.pending().find((item) => world.finish(item, true));
        expect(next).toBeDefined();
        checkWorld(world);
      }
      expect(isOver(world.row().state)).toBe(true);
      expect(world.living()).toEqual([]);
    });
  });

  it("is never started again once somebody stopped it, by no later server either", () => {
    check((story, policy) => {
      const world = createWorld(policy);
      for (const what of story) happen(world, what);
      let stopped = false;
      for (const { before, event: told, effects } of world.history) {
        if (stopped) expect(effects).not.toContain("spawn");
        if (told.type === "stop" && !isOver(before.state)) stopped = true;
      }
    });
  });
});
