import type { Clock } from "../clock.ts";
import type { Log } from "../logs/log.ts";
import type { Service, ServiceExit, StopReceipt } from "../model/service.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { StopOutcome } from "../supervisor/stop.ts";
import { exitedEarly, failureOf, failureOfError, notReady, type StartOutcome } from "./failure.ts";
import { createHealthCheck } from "./health-check.ts";
import { type Identity, identityOf } from "./identity.ts";
import type { Launch } from "./launch.ts";
import { exitOf, lifeOf, rowOf, survivorsText } from "./life-row.ts";
import { watchLiveness } from "./liveness.ts";
import { outputTail } from "./output-tail.ts";
import type { Attempt } from "./readiness/attempt.ts";
import { awaitReady, type PortOwner } from "./readiness/await-ready.ts";
import { backoffMs, resetAfterMs, restartRules } from "./restart-policy.ts";
import type { ServiceRecorder, StopCondition } from "./service-recorder.ts";
import { newStartAttempt } from "./start-attempt.ts";
import {
  comesBack,
  type Effect,
  isOver,
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
  /** Its row stands. Rejects when it could not be written: then this life never was. */
  readonly inserted: Promise<void>;
  /** Nothing of it lives any more, and its row says so. */
  readonly over: Promise<void>;
  isEnding(): boolean;
  /**
   * Ready, or why not: what every caller that joined the present start is told. A service that waits
   * for its restart is started at once.
   */
  started(): Promise<StartOutcome>;
  /** Writes its row, then starts its process. Once. Resolves and rejects as `inserted`. */
  launch(insert: () => Promise<Service>, prepare: () => Promise<Launch>): Promise<void>;
  /** Goes on with what an earlier server left. Once, instead of `launch`. */
  resume(instance: Instance | undefined, launch: Launch | undefined): void;
  /** Writes the end of a process that is gone already. Once, instead of `launch`. */
  bury(exit: ServiceExit | undefined, message: string): void;
  /**
   * Stops it with proof, joining a stop in progress. Undefined: it was over already, or the
   * condition did not hold.
   */
  stop(reason: StopReason, options?: StopOptions): Promise<StopReceipt | undefined>;
  /** Stops it and starts its next instance, under the same id. Undefined as with `stop`. */
  restart(options?: StopOptions): Promise<StopReceipt | undefined>;
  /** Is it well? An answer of the last 2 s counts. */
  check(): Promise<Attempt>;
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
  /** Starts the instance that the row names. */
  readonly start: (row: Service, launch: Launch) => Promise<Instance>;
  readonly ownerOf: (port: number, instance: Instance) => Promise<PortOwner>;
  readonly waiting: { count: number };
  /** Called once, after the row says that it is over. */
  readonly onOver: (life: ServiceLife) => void;
}

const DEFAULT_GRACE_MS = 10_000;
/** How long an early exit waits for its last words, and for its row to be settled, before it is told. */
const LAST_WORDS_MS = 30;
const SETTLED_SOON_MS = 50;

export function createLife(deps: LifeDependencies, stored: Service): ServiceLife {
  const { clock, recorder } = deps;
  const { spec } = stored;
  let row = stored;
  let life = lifeOf(stored);
  let queue: Promise<unknown> = Promise.resolve();
  let launch: Launch | undefined;
  let attempt = newStartAttempt();
  let ending: Promise<StopReceipt> | undefined;
  let graceMs = spec.stop?.graceMs ?? DEFAULT_GRACE_MS;
  let cancelBackoff: (() => void) | undefined;
  const inserted = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const health = createHealthCheck(clock, () => launch?.target ?? { kind: "alive" });

  const self: ServiceLife = {
    serviceId: stored.serviceId,
    identity: identityOf(stored.reuseKey),
    row: () => row,
    inserted: inserted.promise,
    over: over.promise,
    isEnding: () => isOver(life.state) || (life.state === "STOPPING" && !comesBack(life, rules())),
    async started() {
      if (life.state === "STOPPING") await ending?.catch(() => {});
      if (life.state === "BACKOFF") await tell({ type: "backoff-over" });
      // What its last attempt came to stands for one that is over; only of one that ran there is none.
      if (isOver(life.state) && attempt.failure === undefined) {
        return { ok: false, failure: failureOf(row, "SERVICE_STOPPED", "does not run any more") };
      }
      return attempt.outcome.promise;
    },
    async launch(insert, prepare) {
      try {
        row = await insert();
      } catch (error) {
        life = { ...life, state: "FAILED" };
        attempt.failure = failureOfError(row, error);
        inserted.reject(error);
        perform("settle");
        throw error;
      }
      attempt.instance = spawned(prepare);
      inserted.resolve();
    },
    resume(instance, known) {
      inserted.resolve();
      launch = known;
      attempt.instance = Promise.resolve(instance);
      if (instance !== undefined) watch(instance);
      if (life.state !== "STARTING") attempt.outcome.resolve({ ok: true });
      if (life.state === "STARTING") perform("probe");
      if (life.state === "STOPPING") perform("end-tree");
      if (life.state === "BACKOFF") perform("await-backoff");
      if (life.state === "RUNNING") beginLiveness();
    },
    bury(exit, message) {
      inserted.resolve();
      if (life.state === "STARTING") attempt.failure = failureOf(row, "SERVICE_STOPPED", message);
      if (life.state === "STOPPING") perform("end-tree");
      else if (life.state === "BACKOFF") void tell({ type: "stop", reason: "STOP_REQUESTED" });
      else if (exit !== undefined) void tell({ type: "exited", exit, stable: false }, GONE);
      else void tell({ type: "spawn-failed", message });
    },
    async stop(reason, options = {}) {
      if (isOver(life.state)) return undefined;
      return end({ type: "stop", reason }, options);
    },
    async restart(options = {}) {
      if (isOver(life.state)) return undefined;
      return end({ type: "restart", reason: "RESTARTED" }, options);
    },
    async check() {
      if (life.state !== "RUNNING") return { ok: true };
      const found = await health.check();
      tellHealth(found.ok ? "HEALTHY" : "UNHEALTHY");
      return found;
    },
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
      const next = transition(life, event, rules());
      if (next.life === life && next.effects.length === 0) return true;
      if (next.life !== life || Object.keys(facts).length > 0) {
        const patch = { ...rowOf(next.life, life, row), ...facts };
        const written = await recorder.write(row, patch, event, condition);
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
      case "spawn":
        cancelBackoff?.();
        attempt = newStartAttempt();
        attempt.instance = spawned(async () => launch as Launch);
        break;
      case "probe":
        void probe();
        break;
      case "end-tree":
        attempt.probing.abort();
        ending = endTree();
        ending.catch(() => {});
        break;
      case "await-backoff":
        void Promise.resolve(attempt.lastWords).then(() => fail(attempt));
        cancelBackoff = clock.schedule(backoffMs(spec.restart, life.restarts), () => {
          void tell({ type: "backoff-over" }).catch(() => {});
        });
        break;
      case "settle": {
        cancelBackoff?.();
        const last = attempt;
        void Promise.resolve(last.lastWords).then(() => fail(last));
        over.resolve();
        deps.onOver(self);
        break;
      }
    }
  }

  async function spawned(prepare: () => Promise<Launch>): Promise<Instance | undefined> {
    const current = attempt;
    try {
      launch = await prepare();
      if (life.state !== "STARTING") return undefined;
      const instance = await deps.start(row, launch);
      const { pid } = instance;
      await tell({ type: "spawned" }, { providerRef: String(pid), startTime: clock.now() });
      watch(instance);
      return instance;
    } catch (error) {
      current.failure = failureOfError(row, error);
      void tell({ type: "spawn-failed", message: current.failure.message });
      return undefined;
    }
  }

  function watch(instance: Instance): void {
    const current = attempt;
    void instance.exited.then(async (ended) => {
      current.probing.abort();
      const early = life.state === "STARTING";
      const exit = exitOf(ended, early);
      if (early) current.lastWords = hearLastWords(instance, exit);
      const ran = ended.exitTime - (row.readyTime ?? ended.exitTime);
      const stable = ran >= resetAfterMs(spec.restart);
      await tell({ type: "exited", exit, stable }, { exit, ...GONE });
      if (!early) return;
      await current.lastWords;
      await within(SETTLED_SOON_MS, over.promise);
      fail(current);
    });

    async function hearLastWords(from: Instance, exit: ServiceExit): Promise<void> {
      await within(LAST_WORDS_MS, from.drained);
      current.failure = exitedEarly(row, exit, await outputTail(deps.openLog));
    }
  }

  /** Told once; an attempt that came up has told its callers so before. */
  function fail(failed: typeof attempt): void {
    const stopped = failureOf(row, "SERVICE_STOPPED", "was stopped before it was ready");
    failed.outcome.resolve({ ok: false, failure: failed.failure ?? stopped });
  }

  async function probe(): Promise<void> {
    const current = attempt;
    const begun = clock.monotonic();
    deps.waiting.count += 1;
    try {
      const instance = await current.instance;
      if (instance === undefined) return;
      const result = await awaitReady({
        target: launch?.target ?? { kind: "alive" },
        probe: spec.readiness,
        clock,
        ownerOf: (port) => deps.ownerOf(port, instance),
        waiting: () => deps.waiting.count,
        signal: current.probing.signal,
      });
      if (result.ready) {
        health.seen();
        await tell({ type: "ready" }, { readyTime: clock.now() });
        if (life.state !== "RUNNING") return;
        current.outcome.resolve({ ok: true });
        beginLiveness();
        return;
      }
      const diagnosis = {
        reason: result.reason,
        lastProbeError: result.error,
        outputTail: await outputTail(deps.openLog),
      };
      current.failure = notReady(row, diagnosis, clock.monotonic() - begun);
      await tell({ type: "not-ready", message: current.failure.message }, { diagnosis });
    } catch (error) {
      if (current.probing.signal.aborted) return;
      current.failure = failureOfError(row, error);
      await tell({ type: "not-ready", message: current.failure.message });
    } finally {
      deps.waiting.count -= 1;
    }
  }

  function beginLiveness(): void {
    const { signal } = attempt.probing;
    if (spec.liveness === undefined || launch?.liveness === undefined || signal.aborted) return;
    const onChange = (found: "HEALTHY" | "UNHEALTHY", error: string) => {
      tellHealth(found, error);
      const restarts = restartRules(spec.restart).mode !== "NEVER";
      if (found === "UNHEALTHY" && restarts) void tell({ type: "restart", reason: "UNHEALTHY" });
    };
    watchLiveness({ target: launch.liveness, probe: spec.liveness, signal, onChange }).catch(
      () => {},
    );
  }

  function tellHealth(found: "HEALTHY" | "UNHEALTHY", error = ""): void {
    if (found === row.health || life.state !== "RUNNING") return;
    const facts = error === "" ? {} : { diagnosis: { reason: "LIVENESS", lastProbeError: error } };
    void tell({ type: "health", health: found }, facts);
  }

  async function end(event: LifeEvent, options: StopOptions): Promise<StopReceipt | undefined> {
    if (options.graceMs !== undefined) graceMs = options.graceMs;
    const waited = life.state === "BACKOFF";
    const told = await tell(event, {}, options.condition);
    // Nothing lived while it waited for its restart.
    if (told && waited) return { serviceId: row.serviceId, ...factsOf(NOTHING_TO_STOP) };
    return told ? ending : undefined;
  }

  async function endTree(): Promise<StopReceipt> {
    const instance = await attempt.instance;
    const outcome =
      instance === undefined
        ? NOTHING_TO_STOP
        : await instance.stop({
            signal: spec.stop?.signal || "SIGTERM",
            graceMs,
            ports: Object.values(row.ports),
          });
    // Its exit first, so that the last row of an instance has both.
    if (outcome.proven) await instance?.exited;
    const { exit } = row;
    const message = outcome.proven ? life.message : survivorsText(outcome);
    await tell(
      { type: "ended", proven: outcome.proven, message },
      outcome.proven ? { stopTime: clock.now(), ...GONE } : {},
    );
    const last = exit ?? row.exit;
    return {
      serviceId: row.serviceId,
      ...factsOf(outcome),
      ...(last === undefined ? {} : { exit: last }),
    };
  }

  /** Without what it was started with it cannot be started again. */
  function rules() {
    return restartRules(launch && spec.restart);
  }
}

const GONE = { providerRef: "" };

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

function factsOf({ proven: _, ...facts }: StopOutcome): Omit<StopOutcome, "proven"> {
  return facts;
}

async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, bound]);
  clearTimeout(timer);
}
