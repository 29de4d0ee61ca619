import { describe, expect, it } from "vitest";
import { createHub } from "../../src/events/hub.ts";
import { createManualClock } from "../logs/support/manual-clock.ts";
import { upserted } from "./new-changes.ts";

describe("the hub", () => {
  const revisionsOf = (changes: readonly { revision: number }[] | undefined) =>
    changes?.map(({ revision }) => revision);

  it("gives back what was published, from any revision that it still has", () => {
    const hub = createHub();
    hub.publish([upserted(5), upserted(6)]);
    hub.publish([upserted(7)]);
    expect(revisionsOf(hub.since(4, 10))).toEqual([5, 6, 7]);
    expect(revisionsOf(hub.since(5, 1))).toEqual([6]);
    expect(revisionsOf(hub.since(7, 10))).toEqual([]);
    expect(revisionsOf(hub.since(9, 10))).toEqual([]);
    expect(hub.since(3, 10)).toBeUndefined();
  });

  it("knows nothing before the first publish", () => {
    expect(createHub().since(0, 10)).toBeUndefined();
  });

  it("keeps a bounded tail, without a hole", () => {
    const hub = createHub({ tail: 10 });
    for (let revision = 1; revision <= 1000; revision++) hub.publish([upserted(revision)]);
    expect(hub.since(979, 10)).toBeUndefined();
    expect(revisionsOf(hub.since(990, 100))).toEqual([
      991, 992, 993, 994, 995, 996, 997, 998, 999, 1000,
    ]);
  });

  it("begins its tail anew after a hole, which only the store can fill", () => {
    const hub = createHub();
    hub.publish([upserted(1)]);
    hub.publish([upserted(3)]);
    expect(hub.since(1, 10)).toBeUndefined();
    expect(revisionsOf(hub.since(2, 10))).toEqual([3]);
  });

  it("wakes every subscriber at each publish until it unsubscribes", () => {
    const hub = createHub();
    let wakes = 0;
    const wake = () => {
      wakes += 1;
    };
    const first = hub.subscribe(wake);
    const second = hub.subscribe(wake);
    expect(hub.watchers).toBe(2);
    hub.publish([upserted(1)]);
    first();
    first();
    hub.publish([upserted(2)]);
    hub.publish([]);
    second();
    hub.publish([upserted(3)]);
    expect(wakes).toBe(3);
    expect(hub.watchers).toBe(0);
  });

  it("wakes at once after a quiet time, and then for all of 25 ms together", () => {
    const clock = createManualClock();
    const hub = createHub({ clock });
    let wakes = 0;
    hub.subscribe(() => {
      wakes += 1;
    });
    hub.publish([upserted(1)]);
    expect(wakes).toBe(1);
    hub.publish([upserted(2)]);
    hub.publish([upserted(3)]);
    clock.advance(24);
    expect(wakes).toBe(1);
    clock.advance(1);
    expect(wakes).toBe(2);
    clock.advance(100);
    expect(wakes).toBe(2);
    hub.publish([upserted(4)]);
    expect(wakes).toBe(3);
  });

  it("makes one answer for all who ask for the same", () => {
    const hub = createHub();
    const first = hub.shared("key", () => ({}));
    expect(hub.shared("key", () => ({}))).toBe(first);
    expect(hub.shared("other", () => ({}))).not.toBe(first);
    for (let i = 0; i < 100; i += 1) hub.shared(`later ${i}`, () => ({}));
    expect(hub.shared("key", () => ({}))).not.toBe(first);
  });
});
