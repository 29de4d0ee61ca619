import { describe, expect, it } from "vitest";
import { createGrowthWatcher, type WatchDirectory } from "../../src/logs/growth-watcher.ts";
import { createManualClock } from "./support/manual-clock.ts";

function setUp(watch?: Partial<{ refuse: () => boolean; onWatch: () => void }>) {
  const clock = createManualClock();
  let event: (() => void) | undefined;
  let error: ((cause: unknown) => void) | undefined;
  const watchDirectory: WatchDirectory = (_directory, onEvent, onError) => {
    if (watch?.refuse?.()) throw Object.assign(new Error("no watch left"), { code: "ENOSPC" });
    watch?.onWatch?.();
    event = onEvent;
    error = onError;
    return {
      close: () => {
        event = undefined;
      },
    };
  };
  const growth = createGrowthWatcher({ clock, watchDirectory });
  let pendingGrowth = 0;
  let looks = 0;
  let settles = 0;
  const stop = growth.watch({
    directory: "/log",
    look: () => {
      looks += 1;
      const grew = pendingGrowth > 0;
      pendingGrowth = 0;
      return grew;
    },
    settle: () => {
      settles += 1;
    },
  });
  return {
    clock,
    growth,
    stop,
    grow: () => {
      pendingGrowth += 1;
    },
    fire: () => event?.(),
    fail: () => error?.(new Error("gone")),
    get grown() {
      return pendingGrowth === 0;
    },
    counts: () => ({ looks, settles, watchers: growth.watchers }),
  };
}

describe("growth watcher", () => {
  it("sleeps on a watch while a log is quiet, but for one look a second", () => {
    const watched = setUp();
    const { looks } = watched.counts();
    watched.clock.advance(10_000);
    expect(watched.counts()).toEqual({ looks: looks + 10, settles: 0, watchers: 1 });
  });

  it("looks less often the longer a look takes, but each ten seconds at the latest", () => {
    const looksIn = (seconds: number, tookMs: number) => {
      const manual = createManualClock();
      let spent = 0;
      const clock = { ...manual, monotonic: () => manual.monotonic() + spent };
      const growth = createGrowthWatcher({
        clock,
        watchDirectory: () => ({ close: () => undefined }),
      });
      let looks = 0;
      growth.watch({
        directory: "/log",
        look() {
          looks += 1;
          spent += tookMs;
          return false;
        },
        settle: () => undefined,
      });
      const before = looks;
      manual.advance(seconds * 1000);
      growth.close();
      return looks - before;
    };
    expect(looksIn(40, 1)).toBe(40);
    // 10 ms are one part in 400 of 4 s: the first sweep does not know yet.
    expect(looksIn(41, 10)).toBe(11);
    expect(looksIn(41, 1_000)).toBe(5);
  });

  /** More events at a time than are worth their looks. */
  const burst = (watched: ReturnType<typeof setUp>) => {
    for (let i = 0; i < 30; i++) {
      watched.grow();
      watched.fire();
    }
  };

  it("looks at once on each event while they are few, and tells when growth has paused", () => {
    const watched = setUp();
    for (let i = 0; i < 100; i++) {
      watched.grow();
      watched.fire();
      expect(watched.grown).toBe(true);
      watched.clock.advance(10);
    }
    expect(watched.counts()).toMatchObject({ watchers: 1, settles: 0 });
    watched.clock.advance(50);
    expect(watched.counts()).toMatchObject({ watchers: 1, settles: 1 });
    watched.clock.advance(900);
    expect(watched.counts()).toMatchObject({ watchers: 1, settles: 1 });
  });

  it("looks each 10 ms without a watch after many events, until growth pauses", () => {
    const watched = setUp();
    burst(watched);
    expect(watched.counts().watchers).toBe(0);
    for (let i = 0; i < 20; i++) {
      watched.grow();
      watched.clock.advance(10);
      expect(watched.grown).toBe(true);
    }
    watched.clock.advance(60);
    expect(watched.counts()).toMatchObject({ watchers: 1, settles: 1 });
  });

  it("tries events again after half a second of polls", () => {
    const watched = setUp();
    burst(watched);
    for (let i = 0; i < 50; i++) {
      watched.grow();
      watched.clock.advance(10);
    }
    expect(watched.counts()).toMatchObject({ watchers: 1, settles: 0 });
    watched.grow();
    watched.fire();
    expect(watched.grown).toBe(true);
    expect(watched.counts().watchers).toBe(1);
    burst(watched);
    expect(watched.counts().watchers).toBe(0);
  });

  it("finds what grew while the watch was being made", () => {
    let onWatch: () => void = () => undefined;
    const watched = setUp({ onWatch: () => onWatch() });
    burst(watched);
    onWatch = watched.grow;
    watched.clock.advance(60);
    expect(watched.grown).toBe(true);
    expect(watched.counts()).toMatchObject({ watchers: 1, settles: 1 });
    watched.clock.advance(60);
    expect(watched.counts().settles).toBe(2);
  });

  it("finds within a second what no event told of", () => {
    const watched = setUp();
    watched.grow();
    watched.clock.advance(1000);
    expect(watched.grown).toBe(true);
    watched.grow();
    watched.clock.advance(10);
    expect(watched.grown).toBe(true);
  });

  it("looks each 250 ms while the kernel refuses a watch, and takes one when it can be had", () => {
    let refuse = true;
    const watched = setUp({ refuse: () => refuse });
    expect(watched.counts().watchers).toBe(0);
    watched.grow();
    watched.clock.advance(250);
    expect(watched.grown).toBe(true);
    refuse = false;
    watched.clock.advance(100);
    expect(watched.counts().watchers).toBe(1);
  });

  it("takes a watch that breaks for one that is refused", () => {
    const watched = setUp();
    watched.fail();
    expect(watched.counts().watchers).toBe(0);
    watched.grow();
    watched.clock.advance(250);
    expect(watched.grown).toBe(true);
  });

  it("does nothing more once it is stopped", () => {
    const watched = setUp();
    watched.fire();
    watched.stop();
    const { looks } = watched.counts();
    watched.clock.advance(5000);
    expect(watched.counts()).toMatchObject({ looks, watchers: 0 });
  });
});
