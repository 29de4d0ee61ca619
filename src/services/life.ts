import type { Clock } from "../clock.ts";
import type { ServiceFailure } from "../errors.ts";
import type { Log } from "../logs/log.ts";
import type { Service, ServiceExit, StopReceipt } from "../model/service.ts";
import type { Exit } from "../supervisor/exit-status.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { StopOutcome } from "../supervisor/stop.ts";
import { exitedEarly, failureOf, failureOfError, notReady, type StartOutcome } from "./failure.ts";
import { type Identity, identityOf } from "./identity.ts";
import { outputTail } from "./output-tail.ts";
import type { Attempt } from "./readiness/attempt.ts";
import { awaitReady, checkOnce, type PortOwner } from "./readiness/await-ready.ts";
import type { ProbeTarget } from "./readiness/probe-target.ts";
import type { ServiceRecorder, StopCondition } from "./service-recorder.ts";
import {
  type Effect,
  isOver,
  type Life,
  type LifeEvent,
  type StopReason,
  transition,
} from "./state.ts";

/** One service from its row to its end: drives the pure machine of state.ts with real events. */
export interface ServiceLife {
  readonly serviceId: string;
  readonly identity: Identity;
  /** As last stored. */
  row(): Service;
  /** Ready, or why not: what every caller that joined the start is told. */
  readonly started: Promise<StartOutcome>;
  /** Nothing of it lives any more, and its row says so. */
  readonly over: Promise<void>;
  isEnding(): boolean;
  /** Its row stands. Rejects when it could not be written: then this life never was. */
  readonly inserted: Promise<void>;
  /** Writes its row, then starts its process. Once. Resolves and rejects as `inserted`. */
  launch(insert: () => Promise<Service>, prepare: () => Promise<Launch>): Promise<void>;
  /** Goes on with a process of an earlier server. Once, instead of `launch`. */
  resume(instance: Instance, target: ProbeTarget): void;
  /** Writes the end of a process that is gone already. Once, instead of `launch`. */
  bury(exit: ServiceExit | undefined, message: string): void;
  /**
   * Stops it with proof, joining a stop in progress. Undefined: it was over already, or the
   * condition did not hold.
   */
  stop(reason: StopReason, options?: StopOptions): Promise<StopReceipt | undefined>;
  /** Is it well? An answer of the last 2 s counts; who asks meanwhile shares one check. */
  check(): Promise<Attempt>;
}

export interface Launch {
  readonly start: () => Promise<Instance>;
  readonly target: ProbeTarget;
}

export interface StopOptions {
  /** Absent: the spec's. 0: KILL at once. */
  readonly graceMs?: number;
  readonly condition?: StopCondition;
}

export interface LifeDependencies {
  readonly clock: Clock;
  readonly openLog: () => Promise<Log>;
  /** Writes this service's row. */
  readonly recorder: ServiceRecorder;
  readonly ownerOf: (port: number, instance: Instance) => Promise<PortOwner>;
  readonly waiting: { count: number };
  /** Called once, after the row says that it is over. */
  readonly onOver: (life: ServiceLife) => void;
}

const DEFAULT_GRACE_MS = 10_000;
const HEALTHY_FOR_MS = 2_000;
const RETRY_CHECK_MS = 250;
/** How long an early exit waits for its last words, and for its row to be settled, before it is told. */
const LAST_WORDS_MS = 30;
const SETTLED_SOON_MS = 50;

export function createLife(deps: LifeDependencies, stored: Service): ServiceLife {
  const { clock, recorder } = deps;
  let row = stored;
  let life: Life = {
    state: stored.state,
    health: stored.health,
    message: stored.stateMessage,
    ...(stored.stateReason === undefined ? {} : { reason: stored.stateReason }),
    ...(stored.exit === undefined ? {} : { exit: stored.exit }),
  };
  let queue: Promise<unknown> = Promise.resolve();
  let target: ProbeTarget = { kind: "alive" };
  let launching: Promise<Instance | undefined> = Promise.resolve(undefined);
  let ending: Promise<StopReceipt> | undefined;
  let failure: ServiceFailure | undefined;
  /** Of an early exit: its output is still being read, and belongs into what its callers are told. */
  let lastWords: Promise<void> | undefined;
  let graceMs = stored.spec.stop?.graceMs ?? DEFAULT_GRACE_MS;
  let healthyAt = Number.NEGATIVE_INFINITY;
  let checking: Promise<Attempt> | undefined;
  const inserted = Promise.withResolvers<void>();
  const started = Promise.withResolvers<StartOutcome>();
  const over = Promise.withResolvers<void>();
  const probing = new AbortController();

  const self: ServiceLife = {
    serviceId: stored.serviceId,
    identity: identityOf(stored.reuseKey),
    row: () => row,
    inserted: inserted.promise,
    started: started.promise,
    over: over.promise,
    isEnding: () => life.state === "STOPPING" || isOver(life.state),
    async launch(insert, prepare) {
      try {
        row = await insert();
      } catch (error) {
        life = { ...life, state: "FAILED" };
        failure = failureOfError(row, error);
        inserted.reject(error);
        perform("settle");
        throw error;
      }
      launching = launched(prepare);
      inserted.resolve();
    },
    resume(instance, known) {
      inserted.resolve();
      target = known;
      launching = Promise.resolve(instance);
      watch(instance);
      if (life.state === "STARTING") perform("probe");
      else if (life.state === "STOPPING") perform("end-tree");
      if (life.state !== "STARTING") started.resolve({ ok: true });
    },
    bury(exit, message) {
      inserted.resolve();
      if (life.state === "STARTING") failure = failureOf(row, "SERVICE_STOPPED", message);
      if (exit !== undefined) void tell({ type: "exited", exit }, { providerRef: "" });
      else if (life.state === "STOPPING") perform("end-tree");
      else void tell({ type: "spawn-failed", message });
    },
    stop,
    check,
  };
  // Who joins a life that never was learns it from `launch`; nobody may be there to hear this.
  inserted.promise.catch(() => {});
  return self;

  /** One event after the other: stored first, then acted upon. */
  function tell(
    event: LifeEvent,
    facts: Partial<Service> = {},
    condition?: StopCondition,
  ): Promise<boolean> {
    const told = queue.then(async () => {
      const next = transition(life, event);
      if (next.life === life && next.effects.length === 0) return true;
      if (next.life !== life || Object.keys(facts).length > 0) {
        const written = await recorder.write(
          row,
          { ...rowOf(next.life), ...facts },
          event,
          condition,
        );
        if (written === undefined) return false;
        row = written;
        life = next.life;
      }
      for (const effect of next.effects) perform(effect);
      return true;
    });
    queue = told.catch(() => {});
    return told;
  }

  function perform(effect: Effect): void {
    switch (effect) {
      case "probe":
        void probe();
        break;
      case "end-tree":
        probing.abort();
        ending = endTree();
        ending.catch(() => {});
        break;
      case "settle":
        void Promise.resolve(lastWords).then(fail);
        over.resolve();
        deps.onOver(self);
        break;
    }
  }

  async function launched(prepare: () => Promise<Launch>): Promise<Instance | undefined> {
    try {
      const launch = await prepare();
      target = launch.target;
      if (life.state !== "STARTING") return undefined;
      const instance = await launch.start();
      await tell(
        { type: "spawned" },
        { providerRef: String(instance.pid), startTime: clock.now() },
      );
      watch(instance);
      return instance;
    } catch (error) {
      failure = failureOfError(row, error);
      void tell({ type: "spawn-failed", message: failure.message });
      return undefined;
    }
  }

  function watch(instance: Instance): void {
    void instance.exited.then(async (ended) => {
      probing.abort();
      const early = life.state === "STARTING";
      const exit = exitOf(ended, early);
      if (early) lastWords = hearLastWords(instance, exit);
      await tell({ type: "exited", exit }, { exit, providerRef: "" });
      if (!early) return;
      await lastWords;
      await within(SETTLED_SOON_MS, over.promise);
      fail();
    });
  }

  async function hearLastWords(instance: Instance, exit: ServiceExit): Promise<void> {
    await within(LAST_WORDS_MS, instance.drained);
    failure = exitedEarly(row, exit, await outputTail(deps.openLog));
  }

  /** Told once; a life that was ready has told its callers so before. */
  function fail(): void {
    started.resolve({
      ok: false,
      failure: failure ?? failureOf(row, "SERVICE_STOPPED", "was stopped before it was ready"),
    });
  }

  async function probe(): Promise<void> {
    const begun = clock.monotonic();
    deps.waiting.count += 1;
    try {
      const instance = await launching;
      if (instance === undefined) return;
      const result = await awaitReady({
        target,
        probe: row.spec.readiness,
        clock,
        ownerOf: (port) => deps.ownerOf(port, instance),
        waiting: () => deps.waiting.count,
        signal: probing.signal,
      });
      if (result.ready) {
        healthyAt = clock.monotonic();
        await tell({ type: "ready" }, { readyTime: clock.now() });
        if (life.state === "RUNNING") started.resolve({ ok: true });
        return;
      }
      const diagnosis = {
        reason: result.reason,
        lastProbeError: result.error,
        outputTail: await outputTail(deps.openLog),
      };
      failure = notReady(row, diagnosis, clock.monotonic() - begun);
      await tell({ type: "not-ready", message: failure.message }, { diagnosis });
    } catch (error) {
      if (!probing.signal.aborted) {
        failure = failureOfError(row, error);
        await tell({ type: "not-ready", message: failure.message });
      }
    } finally {
      deps.waiting.count -= 1;
    }
  }

  async function endTree(): Promise<StopReceipt> {
    const instance = await launching;
    const outcome: StopOutcome =
      instance === undefined
        ? NOTHING_TO_STOP
        : await instance.stop({
            signal: row.spec.stop?.signal || "SIGTERM",
            graceMs,
            ports: Object.values(row.ports),
          });
    // Its exit first, so that the last row of a life has both.
    if (outcome.proven) await instance?.exited;
    await tell(
      {
        type: "ended",
        proven: outcome.proven,
        message: outcome.proven ? life.message : survivorsText(outcome),
      },
      outcome.proven ? { stopTime: clock.now(), providerRef: "" } : {},
    );
    const { proven: _, ...facts } = outcome;
    return {
      serviceId: row.serviceId,
      ...facts,
      ...(row.exit === undefined ? {} : { exit: row.exit }),
    };
  }

  async function stop(
    reason: StopReason,
    options: StopOptions = {},
  ): Promise<StopReceipt | undefined> {
    if (isOver(life.state)) return undefined;
    if (options.graceMs !== undefined) graceMs = options.graceMs;
    const told = await tell({ type: "stop", reason }, {}, options.condition);
    return told ? ending : undefined;
  }

  async function check(): Promise<Attempt> {
    if (life.state !== "RUNNING" || clock.monotonic() - healthyAt < HEALTHY_FOR_MS)
      return { ok: true };
    checking ??= checkNow().finally(() => {
      checking = undefined;
    });
    return checking;
  }

  async function checkNow(): Promise<Attempt> {
    let attempt = await checkOnce(target);
    if (!attempt.ok) {
      await new Promise<void>((resolve) => clock.schedule(RETRY_CHECK_MS, resolve));
      attempt = await checkOnce(target);
    }
    if (attempt.ok) healthyAt = clock.monotonic();
    const health = attempt.ok ? "HEALTHY" : "UNHEALTHY";
    if (health !== row.health && life.state === "RUNNING") await tell({ type: "health", health });
    return attempt;
  }
}

const NOTHING_TO_STOP: StopOutcome = {
  proven: true,
  proof: "SCAN",
  signals: [],
  escalated: false,
  processesEnded: 0,
  survivors: [],
  durationMs: 0,
  portsFree: true,
};

function rowOf(life: Life): Partial<Service> {
  return {
    state: life.state,
    health: life.health,
    stateMessage: life.message,
    ...(life.reason === undefined ? {} : { stateReason: life.reason }),
    ...(life.exit === undefined ? {} : { exit: life.exit }),
  };
}

function exitOf(ended: Exit, early: boolean): ServiceExit {
  const reason = ended.lost
    ? "EXIT_STATUS_LOST"
    : early
      ? "EXITED_EARLY"
      : ended.signal === undefined
        ? "EXITED"
        : "SIGNALLED";
  return {
    exitTime: ended.exitTime,
    reason,
    ...(ended.code === undefined ? {} : { code: ended.code }),
    ...(ended.signal === undefined ? {} : { signal: ended.signal }),
  };
}

function survivorsText(outcome: StopOutcome): string {
  const pids = outcome.survivors.map(({ pid }) => pid).join(", ");
  return pids === "" ? "its end could not be proven" : `still living after KILL: pid ${pids}`;
}

async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, bound]);
  clearTimeout(timer);
}
