import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Effect,
  isOver,
  type Life,
  type LifeEvent,
  newLife,
  type RestartRules,
  transition,
} from "../../src/services/state.ts";

const exit = fc.oneof(
  fc.record({ code: fc.integer({ min: 0, max: 128 }), exitTime: fc.constant(1) }),
  fc.record({ signal: fc.constantFrom("SIGTERM", "SIGKILL"), exitTime: fc.constant(1) }),
  fc.record({ exitTime: fc.constant(1) }),
);
const event: fc.Arbitrary<LifeEvent> = fc.oneof(
  fc.constant<LifeEvent>({ type: "spawned" }),
  fc.constant<LifeEvent>({ type: "spawn-failed", message: "no shell" }),
  fc.constant<LifeEvent>({ type: "ready" }),
  fc.constant<LifeEvent>({ type: "not-ready", message: "503" }),
  fc.record({ type: fc.constant("exited" as const), exit, stable: fc.boolean() }),
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
});

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
          if (!effects.includes("spawn")) continue;
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
          if (stopped) expect(effects).not.toContain("spawn");
          expect(after.restarts).toBeLessThanOrEqual(policy.maxRestarts);
        }
      }),
    );
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
