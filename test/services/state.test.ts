import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Effect,
  isOver,
  type Life,
  type LifeEvent,
  newLife,
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
  exit.map((ended): LifeEvent => ({ type: "exited", exit: ended })),
  fc
    .constantFrom("STOP_REQUESTED" as const, "LEASES_ENDED" as const, "IDLE_TIMEOUT" as const)
    .map((reason): LifeEvent => ({ type: "stop", reason })),
  fc.constant<LifeEvent>({ type: "health", health: "UNHEALTHY" }),
  fc.boolean().map((proven): LifeEvent => ({ type: "ended", proven, message: "pid 7 lives" })),
);

/** Runs the events and gives each step with the life before it. */
function run(events: readonly LifeEvent[]) {
  let life: Life = newLife;
  return events.map((happened) => {
    const before = life;
    const { life: after, effects } = transition(life, happened);
    life = after;
    return { before, happened, after, effects };
  });
}

describe("the life of a service", () => {
  it("is STOPPED or FAILED only after a proof, or when nothing ever ran", () => {
    fc.assert(
      fc.property(fc.array(event), (events) => {
        for (const { before, happened, after } of run(events)) {
          if (isOver(after.state) && !isOver(before.state)) {
            const proven = happened.type === "ended" && happened.proven;
            expect(proven || happened.type === "spawn-failed").toBe(true);
          }
        }
      }),
    );
  });

  it("settles exactly once, and never leaves its end", () => {
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const steps = run(events);
        const settled = steps.flatMap(({ effects }) => effects).filter((e) => e === "settle");
        expect(settled.length).toBe(steps.some(({ after }) => isOver(after.state)) ? 1 : 0);
        for (const { before, after } of steps) if (isOver(before.state)) expect(after).toBe(before);
      }),
    );
  });

  it("asks for the end of the tree whenever it begins to stop, and gives a reason", () => {
    fc.assert(
      fc.property(fc.array(event), (events) => {
        for (const { before, after, effects } of run(events)) {
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
      { type: "exited", exit: { code, exitTime: 1 } },
      { type: "ended", proven: true, message: "" },
    ];
    expect(run(events).at(-1)?.after.state).toBe(state);
  });

  it("fails when it exits before it is ready, with whatever code", () => {
    const last = run([
      { type: "spawned" },
      { type: "exited", exit: { code: 0, exitTime: 1 } },
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
});
