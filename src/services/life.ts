import type { Service, ServiceExit, StopReceipt } from "../model/service.ts";
import type { ServicePatch } from "../store/services.ts";
import type { Instance } from "../supervisor/instance.ts";
import { diagnose } from "./diagnosis.ts";
import { endTree, NOTHING_TO_STOP, receiptOf } from "./end-tree.ts";
import { failureOf, failureOfError, type StartOutcome } from "./failure.ts";
import { createHealthCheck } from "./health-check.ts";
import { type Identity, identityOf } from "./identity.ts";
import type { Launch, Prepare } from "./launch.ts";
import { lifeOf, rowOf, survivorsText } from "./life-row.ts";
import { watchLiveness } from "./liveness.ts";
import { ask } from "./readiness/ask.ts";
import type { Attempt, FailedAttempt } from "./readiness/attempt.ts";
import { loopbackPort, type ProbeTarget } from "./readiness/probe-target.ts";
import { backoffMs, restartRules } from "./restart-policy.ts";
import type { ServiceRecorder, StopCondition } from "./service-recorder.ts";
import {
  type AttemptContext,
  type AttemptDependencies,
  createStartAttempt,
} from "./start-attempt.ts";
import {
  comesBack,
  type Effect,
  isOver,
  type LifeEvent,
  type StopReason,
  transition,
} from "./state.ts";
import { isStoreFailure } from "./until-stored.ts";
import { within } from "./within.ts";

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
  /** Has a process, or why not; the same for one that has been ready before. */
  spawned(): Promise<StartOutcome>;
  /** Writes its row, then starts its process. Once. Resolves and rejects as `inserted`. */
  launch(insert: () => Promise<Service>, prepare: Prepare): Promise<void>;
  /** Goes on with what an earlier server left. Once, instead of `launch`. */
  resume(instance: Instance | undefined, launch: Launch | undefined): void;
  /** Starts the process that an earlier server had only meant to start. Once, instead of `launch`. */
  begin(launch: Launch): void;
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

export interface LifeDependencies extends AttemptDependencies {
  /** Writes this service's row. */
  readonly recorder: ServiceRecorder;
  /** Called once, after the row says that it is over. */
  readonly onOver: (life: ServiceLife) => void;
}

const DEFAULT_GRACE_MS = 10_000;
/** Its shim writes the exit down at once; without a shim a sweep finds it. */
const DEATH_TOLD_MS = 3_000;

export function createLife(deps: LifeDependencies, stored: Service): ServiceLife {
  const { clock, recorder } = deps;
  const { spec } = stored;
  let row = stored;
  let life = lifeOf(stored);
  let queue: Promise<unknown> = Promise.resolve();
  let launch: Launch | undefined;
  let prepareAnew: Prepare | undefined;
  let ending: Promise<StopReceipt> | undefined;
  let graceMs = spec.stop?.graceMs ?? DEFAULT_GRACE_MS;
  let cancelBackoff: (() => void) | undefined;
  const inserted = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  /** The newest finding about its health: another one that is still being looked into gives way. */
  let isWell = true;
  const health = createHealthCheck({ clock, look, tell: tellHealth });
  const context: AttemptContext = {
    ...deps,
    row: () => row,
    launch: () => launch,
    keepLaunch(made) {
      launch = made;
    },
    tell,
    comesBack: () => comesBack(life, rules()),
    onReady() {
      health.note({ ok: true });
      beginLiveness();
    },
    over: over.promise,
  };
  let attempt = createStartAttempt(context);

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
      if (isOver(life.state) && attempt.failure() === undefined) {
        return { ok: false, failure: failureOf(row, "SERVICE_STOPPED", "does not run any more") };
      }
      return attempt.outcome;
    },
    async spawned() {
      if (life.state !== "STARTING") return self.started();
      const current = attempt;
      return (await current.instance()) === undefined ? current.outcome : { ok: true };
    },
    async launch(insert, prepare) {
      // First in the queue: a stop that comes meanwhile finds a row to write to, and what to end.
      const launched = queue.then(async () => {
        try {
          row = await insert();
        } catch (error) {
          life = { ...life, state: "FAILED" };
          attempt.fail(failureOfError(row, error));
          inserted.reject(error);
          perform("settle");
          throw error;
        }
        prepareAnew = prepare;
        attempt.spawn((signal) => prepare({ avoid: [], signal }));
        inserted.resolve();
      });
      queue = launched.catch(() => {});
      return launched;
    },
    resume(instance, known) {
      inserted.resolve();
      launch = known;
      attempt.resume(instance);
      if (life.state !== "STARTING") attempt.wasReady();
      if (life.state === "STARTING") goOnStarting(instance);
      if (life.state === "STOPPING") perform("end-tree");
      if (life.state === "BACKOFF") perform("await-backoff");
      if (life.state === "RUNNING") beginLiveness();
    },
    begin(known) {
      inserted.resolve();
      attempt.spawn(async () => known);
    },
    bury(exit, message) {
      inserted.resolve();
      if (life.state === "STARTING") attempt.fail(failureOf(row, "SERVICE_STOPPED", message));
      if (life.state === "STOPPING") perform("end-tree");
      else if (life.state === "BACKOFF") note({ type: "stop", reason: "STOP_REQUESTED" });
      else if (exit !== undefined) note({ type: "exited", exit, stable: false }, GONE);
      else note({ type: "spawn-failed", message });
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
      await deathIsTold();
      return life.state === "RUNNING" ? health.check() : { ok: true };
    },
  };
  // Who joins a life that never was learns it from `launch`; nobody may be there to hear this.
  inserted.promise.catch(() => {});
  return self;

  /** Its server may have died before the row named the process. */
  function goOnStarting(instance: Instance | undefined): void {
    if (instance === undefined || row.providerRef !== "") {
      perform("probe");
    } else {
      const { pid, startTime } = instance;
      note({ type: "spawned" }, { providerRef: String(pid), startTime });
    }
  }

  /** One event after the other: stored first, then acted upon. */
  function tell(
    event: LifeEvent,
    facts: ServicePatch = {},
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

  /** Nobody waits for it. What the server's end keeps from being written, the next server finds. */
  function note(event: LifeEvent, facts: ServicePatch = {}): void {
    tell(event, facts).catch(() => {});
  }

  function perform(effect: Effect): void {
    switch (effect) {
      case "spawn":
        spawnNext();
        break;
      case "spawn-elsewhere":
        spawnNext(attempt.takenPorts());
        break;
      case "probe":
        attempt.probe();
        break;
      case "end-tree":
        attempt.stopProbing();
        ending = endInstance();
        ending.catch(() => {});
        break;
      case "await-backoff":
        attempt.fail();
        cancelBackoff = clock.schedule(backoffMs(spec.restart, life.restarts), () => {
          note({ type: "backoff-over" });
        });
        break;
      case "settle":
        cancelBackoff?.();
        attempt.fail();
        over.resolve();
        deps.onOver(self);
        break;
    }
  }

  /** Between a process's death and its exit being read lie milliseconds, in which nobody may join it. */
  async function deathIsTold(): Promise<void> {
    if (life.state !== "RUNNING") return;
    const asked = await attempt.instance();
    if (asked === undefined || asked.isAlive()) return;
    await within(DEATH_TOLD_MS, asked.exited);
    await queue;
  }

  /**
   * Who waits for the former instance is told what becomes of this one. It starts with the same, unless there are
   * ports to avoid.
   */
  function spawnNext(avoid?: readonly number[]): void {
    cancelBackoff?.();
    const former = attempt;
    attempt = createStartAttempt(context);
    former.handOver(attempt.outcome);
    attempt.spawn(async (signal) => {
      const same = avoid === undefined ? launch : undefined;
      const known = same ?? (await prepareAnew?.({ avoid: avoid ?? [], signal }));
      if (known === undefined) throw new Error("what it was started with is lost");
      return known;
    });
  }

  function beginLiveness(): void {
    const { signal } = attempt;
    if (spec.liveness === undefined || launch?.liveness === undefined || signal.aborted) return;
    const restarts = restartRules(spec.restart).mode !== "NEVER";
    const onFound = async (seen: Attempt) => {
      health.note(seen);
      await tellHealth(seen);
      if (seen.ok || !restarts || signal.aborted) return;
      await tell({ type: "restart", reason: "UNHEALTHY" });
    };
    watchLiveness({ probe: spec.liveness, look, signal, onFound }).catch(() => {});
  }

  /** One bounded look, with the liveness probe where there is one: readiness was about coming up. */
  async function look(): Promise<Attempt> {
    const asked = await attempt.instance();
    if (launch === undefined || asked === undefined) return { ok: true };
    const probe = launch.liveness === undefined ? spec.readiness : spec.liveness;
    return ask(presentTarget(launch), deps.probeTools(launch, asked, row.instance), {
      attemptMs: probe?.attemptTimeoutMs,
      listener: probe?.listener ?? spec.readiness?.listener,
    });
  }

  async function tellHealth(found: Attempt): Promise<void> {
    isWell = found.ok;
    const told = found.ok ? "HEALTHY" : "UNHEALTHY";
    if (told === row.health || life.state !== "RUNNING") return;
    const diagnosis = found.ok ? undefined : await evidenceOf(found);
    if (isWell === found.ok) await tell({ type: "health", health: told }, { diagnosis });
  }

  async function evidenceOf(found: FailedAttempt) {
    const port = (launch && loopbackPort(presentTarget(launch))) ?? row.port;
    const instance = await attempt.instance();
    return diagnose(found, { openLog: deps.openLog, instance, port, env: launch?.env ?? {} });
  }

  async function end(event: LifeEvent, options: StopOptions): Promise<StopReceipt | undefined> {
    if (options.graceMs !== undefined) graceMs = options.graceMs;
    const waited = life.state === "BACKOFF";
    const told = await tell(event, {}, options.condition).catch((error: unknown) => {
      if (isStoreFailure(error)) goOnIfStored(event).catch(() => {});
      throw error;
    });
    // Nothing lived while it waited for its restart.
    if (told && waited) return receiptOf(row, NOTHING_TO_STOP);
    return told ? ending : undefined;
  }

  /** An intent that was refused may stand for all that. Then it is carried out, as the next server would. */
  async function goOnIfStored(event: LifeEvent): Promise<void> {
    const was = life;
    const stored = await recorder.stored(self.serviceId);
    if (stored !== undefined && stored.state !== was.state && life === was) await tell(event);
  }

  async function endInstance(): Promise<StopReceipt> {
    const outcome = await endTree(await attempt.instance(), row, graceMs, attempt.takenPorts());
    const { exit } = row;
    const message = outcome.proven ? life.message : survivorsText(outcome);
    const diagnosis = await attempt.diagnosis();
    // Whoever waited for what comes after this end waits no longer.
    if (!outcome.proven) attempt.fail();
    await tell(
      { type: "ended", proven: outcome.proven, message },
      {
        ...(outcome.proven ? { stopTime: clock.now(), ...GONE } : {}),
        ...(diagnosis === undefined ? {} : { diagnosis }),
      },
    );
    return receiptOf(row, outcome, exit ?? row.exit);
  }

  /** Without what it was started with it cannot be started again. */
  function rules() {
    return restartRules(launch && spec.restart, { movable: prepareAnew !== undefined });
  }
}

const GONE = { providerRef: "" };

function presentTarget({ liveness, target }: Launch): ProbeTarget {
  return liveness ?? target;
}
