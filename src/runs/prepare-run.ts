import type { Clock } from "../clock.ts";
import { isRuntimeError } from "../errors.ts";
import { createAlarm } from "../events/alarm.ts";
import type { Hub } from "../events/hub.ts";
import type { RunCalls } from "../leases/run-calls.ts";
import type { LogChunk } from "../logs/log-batch.ts";
import type { EnsureResult, Services } from "../services/services.ts";
import type { Store } from "../store/store.ts";
import type { RealizeResult, Workspaces } from "../workspaces/workspaces.ts";
import { createChangeFeed } from "./change-feed.ts";
import { beforeAll } from "./group-cursor.ts";
import { createLogMerge, type LogMerge } from "./log-merge.ts";
import type { LogLabels, LogSources } from "./log-source.ts";
import { createPrepareProgress, type Progress } from "./prepare-progress.ts";
import { asPart, checkPrepare, type PrepareRequest } from "./prepare-request.ts";

export interface PrepareDependencies {
  readonly store: Pick<Store, "changes" | "operations" | "services" | "leases">;
  readonly hub: Hub;
  readonly sources: Pick<LogSources, "openLog">;
  readonly clock: Clock;
  readonly runs: RunCalls;
  readonly workspaces: Pick<Workspaces, "realize">;
  readonly services: Pick<Services, "ensure">;
}

export type PrepareEvent =
  | NonNullable<Progress["event"]>
  | { readonly kind: "log"; readonly labels: LogLabels; readonly chunk: LogChunk }
  | { readonly kind: "result"; readonly result: PrepareResult }
  /** At once, and after each 15 s of quiet. */
  | { readonly kind: "heartbeat" };

export interface PrepareResult {
  readonly realized: RealizeResult;
  /** Absent when no services were asked for. */
  readonly ensured?: EnsureResult;
}

const HEARTBEAT_MS = 15_000;
/** Of log lines, between two looks at what has changed. */
const TURN_BYTES = 256 * 1024;

/**
 * Realizes a workspace, then ensures a run's services, and tells what goes on meanwhile: each change,
 * and each line when it is written. The work does not wait for the reader and goes on without it; the
 * same call again joins it. The result comes last; an error comes after the lines that explain it.
 * @throws RuntimeError as realize and ensure do, with the fields' paths in this request
 */
export async function* prepareRun(
  deps: PrepareDependencies,
  asked: PrepareRequest,
  signal: AbortSignal,
): AsyncGenerator<PrepareEvent, void, undefined> {
  const request = checkPrepare(asked);
  const { store, hub, sources, clock } = deps;
  const { runId, workspaceId } = request.realize;
  const alarm = createAlarm(hub, clock, signal);
  const merge = createLogMerge({
    ...{ sources, clock },
    from: beforeAll({ kind: "beginning" }, 0),
    streams: [],
    maxBytes: TURN_BYTES,
    wake: () => alarm.ring(),
  });
  const release = () => {
    signal.removeEventListener("abort", release);
    merge.release();
    alarm.release();
  };
  signal.addEventListener("abort", release, { once: true });
  try {
    const progress = createPrepareProgress({ store, clock, runId, workspaceId });
    const teller = createTeller(merge);
    let feed = createChangeFeed(store, hub, await store.changes.revision());
    teller.note(await progress.begin());
    if (signal.aborted) return;

    const work = startWork(deps, request, signal, (id) => progress.settle(id));
    void work.outcome.then(() => alarm.ring());
    yield { kind: "heartbeat" };
    let told = clock.monotonic();
    while (!signal.aborted) {
      // Before the changes: all that it brought about is among them then.
      const isDone = work.isDone();
      for (;;) {
        const changes = await feed.next();
        if (changes?.length === 0) break;
        // Too far behind: what is now has to stand for what was missed.
        if (changes === undefined) {
          feed = createChangeFeed(store, hub, await store.changes.revision());
          teller.note(await progress.begin());
        }
        for (const change of changes ?? []) teller.note(await progress.apply(change));
      }
      if (isDone) merge.closeAll();
      const events: PrepareEvent[] = teller.due();
      const taken = await merge.take();
      if (signal.aborted) return;
      for (const { labels, chunk } of taken?.chunks ?? []) {
        events.push({ kind: "log", labels, chunk });
      }
      events.push(...teller.due());
      for (const event of events) {
        yield event;
        told = clock.monotonic();
      }
      if (taken !== undefined) continue;
      if (isDone) {
        const outcome = await work.outcome;
        if ("error" in outcome) throw outcome.error;
        yield { kind: "result", result: outcome.result };
        return;
      }
      const quietMs = clock.monotonic() - told;
      if (quietMs >= HEARTBEAT_MS) {
        yield { kind: "heartbeat" };
        told = clock.monotonic();
        continue;
      }
      const dueMs = Math.max(0, merge.dueAt() - clock.monotonic());
      await alarm.wait(Math.min(HEARTBEAT_MS - quietMs, dueMs));
    }
  } catch (error) {
    // Given up in the middle of a read; the caller hears why from its own signal.
    if (!signal.aborted) throw error;
  } finally {
    release();
  }
}

type Outcome = { readonly result: PrepareResult } | { readonly error: unknown };

/** Both parts, one after the other, whoever still listens. */
function startWork(
  { runs, workspaces, services }: PrepareDependencies,
  { realize, ensure }: PrepareRequest,
  listener: AbortSignal,
  onRealized: (workspaceId: string) => void,
) {
  let isDone = false;
  const nobodyLeaves = new AbortController().signal;
  const run = async (): Promise<PrepareResult> => {
    // Over both: a run that is released between them is not leased anything by the second.
    const call = runs.enter(realize.runId);
    try {
      const realized = await asPart("realize", workspaces.realize(realize, nobodyLeaves));
      const { workspaceId } = realized.workspace;
      onRealized(workspaceId);
      if (ensure === undefined) return { realized };
      call.released.throwIfAborted();
      // A server that ends begins nothing more.
      if (isRuntimeError(listener.reason, "SHUTTING_DOWN")) throw listener.reason;
      const asked = services.ensure({ ...ensure, workspaceId }, nobodyLeaves);
      return { realized, ensured: await asPart("ensure", asked) };
    } finally {
      call.leave();
    }
  };
  const outcome = run()
    .then(
      (result): Outcome => ({ result }),
      (error: unknown): Outcome => ({ error }),
    )
    .finally(() => {
      isDone = true;
    });
  return { outcome, isDone: () => isDone };
}

/** Keeps the order that a person expects: an operation's end comes behind its last line. */
function createTeller(merge: LogMerge) {
  const waiting: Progress[] = [];
  return {
    note(found: readonly Progress[]) {
      for (const one of found) {
        if (one.member !== undefined) merge.put(one.member);
        if (one.event !== undefined) waiting.push(one);
      }
    },
    due(): PrepareEvent[] {
      const held = waiting.filter(isHeld);
      const events = waiting
        .filter((one) => !held.includes(one))
        .flatMap(({ event }) => event ?? []);
      waiting.splice(0, waiting.length, ...held);
      return events;
    },
  };

  function isHeld({ event, member }: Progress): boolean {
    return event?.kind === "operation" && member?.state === "over" && !merge.isTold(member.key);
  }
}
