import { describe, expect, it } from "vitest";
import { awaitLogLine } from "../../src/services/readiness/await-log-line.ts";
import { createLinePattern } from "../../src/services/readiness/line-pattern.ts";
import { append, openLog, systemClock } from "../logs/support/log-fixture.ts";

const PATIENCE_MS = 60_000;

describe("a log probe", () => {
  async function recorded(instance = 1) {
    const { directory, logs, log } = await openLog();
    const recording = await log.record(instance);
    const wait = (
      pattern: string,
      { timeoutMs = PATIENCE_MS, signal = new AbortController().signal, of = instance } = {},
    ) =>
      awaitLogLine({
        log,
        pattern,
        instance: of,
        startTime: Date.now(),
        timeoutMs,
        clock: systemClock,
        signal,
      });
    return { directory, logs, log, recording, wait };
  }

  it("sees a line that was there before, on either stream", async () => {
    const { directory, wait } = await recorded();
    await append(directory, "STDOUT", "one\ntwo\n");
    await append(directory, "STDERR", "Listening on 3000\r\n");
    expect(await wait("^Listening on \\d+$")).toEqual({ ok: true });
    expect(await wait("^two$")).toEqual({ ok: true });
  });

  it("is woken by a line that comes later, in pieces", async () => {
    const { directory, wait } = await recorded();
    const waiting = wait("^server ready$");
    await append(directory, "STDOUT", "noise\nserver ");
    await append(directory, "STDERR", "ready\n");
    await append(directory, "STDOUT", "ready\n");
    expect(await waiting).toEqual({ ok: true });
  });

  it("looks at a prompt that ends no line once it has stood for a moment", async () => {
    const { directory, wait } = await recorded();
    await append(directory, "STDOUT", "started\nrepl> ");
    expect(await wait("^repl> $")).toEqual({ ok: true });
  });

  it("does not take what an earlier instance wrote for this one's", async () => {
    const { directory, log, recording, wait } = await recorded(1);
    await append(directory, "STDOUT", "ready\n");
    await recording.stop();
    await log.record(2);
    const waiting = wait("^ready$", { of: 2, timeoutMs: 600 });
    await append(directory, "STDOUT", "starting again\n");
    expect(await waiting).toMatchObject({ ok: false, reason: "LOG_PATTERN_NOT_SEEN" });
    await append(directory, "STDOUT", "ready\n");
    expect(await wait("^ready$", { of: 2 })).toEqual({ ok: true });
  });

  it("joins lines that are longer than one read, and looks at the first part of endless ones", async () => {
    const { directory, wait } = await recorded();
    await append(directory, "STDOUT", `begin ${"x".repeat(300_000)}\nlast\n`);
    expect(await wait("^begin x+$")).toEqual({ ok: true });
    expect(await wait("^last$")).toEqual({ ok: true });
  });

  it("says that no line matched when its time is over", async () => {
    const { directory, log, logs, wait } = await recorded();
    await append(directory, "STDOUT", "almost\n");
    expect(await wait("^ready$", { timeoutMs: 100 })).toEqual({
      ok: false,
      reason: "LOG_PATTERN_NOT_SEEN",
      error: "no line of its output matches /^ready$/",
    });
    expect(logs.counts().readers).toBe(0);
    expect(log.version).toBeGreaterThan(0);
  });

  it("ends with the signal, whatever it waits for", async () => {
    const { logs, wait } = await recorded();
    const gone = new AbortController();
    const waiting = wait("ready", { signal: gone.signal });
    gone.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    expect(logs.counts().readers).toBe(0);
  });

  it("gives up an expression that would hold up the server", async () => {
    const { directory, wait } = await recorded();
    await append(directory, "STDOUT", `${"a".repeat(40)}!\n`);
    let turns = 0;
    const ticking = setInterval(() => {
      turns += 1;
    }, 1);
    expect(await wait("^(a+)+$")).toMatchObject({
      ok: false,
      reason: "LOG_PATTERN_TOO_SLOW",
    });
    clearInterval(ticking);
    // Between its tries others had their turn.
    expect(turns).toBeGreaterThan(2);
  });
});

describe("a line pattern", () => {
  it("is interrupted at its limit, and works again after that", () => {
    const pattern = createLinePattern("^(a+)+$");
    const begun = performance.now();
    expect(pattern.matchesAny([`${"a".repeat(40)}!`])).toBeUndefined();
    // Without the watchdog this line takes V8 hours.
    expect(performance.now() - begun).toBeLessThan(10_000);
    // On a busy machine any look may take its 50 ms: it is repeated, as readiness does.
    const look = (lines: readonly string[]) =>
      Array.from({ length: 20 }, () => pattern.matchesAny(lines)).find(
        (found) => found !== undefined,
      );
    expect(look(["b", "aaa"])).toBe(true);
    expect(look(["b"])).toBe(false);
  });

  it("is a JavaScript one: look-arounds, names and back references included", () => {
    const pattern = createLinePattern("(?<=port )(?<n>\\d)\\k<n>");
    expect(pattern.matchesAny(["port 12"])).toBe(false);
    expect(pattern.matchesAny(["port 33"])).toBe(true);
  });

  it("is refused when it is none", () => {
    expect(() => createLinePattern("(")).toThrow(SyntaxError);
  });
});
