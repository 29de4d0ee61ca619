import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../logs/log.ts";
import type { LogPosition } from "../../logs/log-position.ts";
import { type Attempt, failed } from "./attempt.ts";
import { createLinePattern, type LinePattern } from "./line-pattern.ts";
import { createOutputSplitter } from "./split-output.ts";

export interface LogLineOptions {
  readonly log: Log;
  readonly pattern: string;
  /** Only what this instance wrote counts. */
  readonly instance: number;
  /** When it started, epoch ms: what was written long before need not be read. */
  readonly startTime: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Rejects the wait with its reason. */
  readonly signal: AbortSignal;
}

/** Clocks and files' times agree to less than this. */
const MARGIN_MS = 2_000;
const READ_BYTES = 64 * 1024;
/** A prompt ends no line: what has stood unfinished for this long is looked at as it is. */
const SETTLED_MS = 250;
/** A busy machine may hold up the fastest expression once; one that is slow each time is given up. */
const SLOW_TRIES = 3;
const SLOW_PAUSE_MS = 100;

/** Waits for a line of the instance's output, on either stream, that the pattern matches. Woken by growth. */
export async function awaitLogLine(options: LogLineOptions): Promise<Attempt> {
  const { log, pattern, instance, clock, signal, timeoutMs } = options;
  const expression = createLinePattern(pattern);
  const deadline = clock.monotonic() + timeoutMs;
  const splitter = createOutputSplitter();
  const unfollow = log.follow();
  try {
    let position: LogPosition = await log.position({
      kind: "since",
      time: options.startTime - MARGIN_MS,
    });
    for (;;) {
      signal.throwIfAborted();
      // Before the read: what is written from here on is found by the next one.
      const { version } = log;
      const batch = await log.read(position, { maxBytes: READ_BYTES });
      position = batch.position;
      const own = batch.chunks.filter((chunk) => chunk.instance === instance);
      const lines = own.flatMap((chunk) => splitter.push(chunk));
      batch.release?.();
      if (batch.gap !== undefined) splitter.cut(batch.gap.stream);
      const isQuiet = batch.chunks.length === 0 && batch.gap === undefined;
      const settledMs = Math.max(0, Math.min(SETTLED_MS, deadline - clock.monotonic()));
      if (isQuiet && (await changed(log, version, settledMs, options))) continue;
      const found = await match(expression, isQuiet ? splitter.rests() : lines, signal);
      if (found === undefined) return tooSlow(pattern);
      if (found) return { ok: true };
      const remaining = deadline - clock.monotonic();
      if (remaining <= 0) return notSeen(pattern);
      if (isQuiet) await changed(log, version, remaining, options);
    }
  } finally {
    unfollow();
  }
}

async function match(
  expression: LinePattern,
  lines: readonly string[],
  signal: AbortSignal,
): Promise<boolean | undefined> {
  if (lines.length === 0) return false;
  for (let tries = 1; ; tries += 1) {
    const found = expression.matchesAny(lines);
    if (found !== undefined || tries === SLOW_TRIES) return found;
    await delay(SLOW_PAUSE_MS, undefined, { signal });
  }
}

/** Whether the log is another than that of `version`, told as soon as it is. */
function changed(
  log: Log,
  version: number,
  timeoutMs: number,
  { clock, signal }: Pick<LogLineOptions, "clock" | "signal">,
): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (isChanged: boolean) => {
      cancelTimer();
      cancelWait();
      signal.removeEventListener("abort", giveUp);
      resolve(isChanged);
    };
    const giveUp = () => done(false);
    const cancelTimer = clock.schedule(timeoutMs, giveUp);
    const cancelWait = log.onChange(version, () => done(true));
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
  });
}

function notSeen(pattern: string): Attempt {
  return failed("LOG_PATTERN_NOT_SEEN", `no line of its output matches /${pattern}/`);
}

function tooSlow(pattern: string): Attempt {
  return failed(
    "LOG_PATTERN_TOO_SLOW",
    `/${pattern}/ takes too long on its output: write it without nested repetitions such as (a+)+`,
  );
}
