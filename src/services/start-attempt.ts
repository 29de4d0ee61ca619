import type { Clock } from "../clock.ts";
import { maskSecrets } from "../environment/secrets.ts";
import { isRuntimeError, type RuntimeError, type ServiceFailure } from "../errors.ts";
import type { Failpoints } from "../failpoints.ts";
import type { Log } from "../logs/log.ts";
import type { Diagnosis, Service, ServiceExit } from "../model/service.ts";
import type { ServicePatch } from "../store/services.ts";
import type { Exit } from "../supervisor/exit-status.ts";
import type { Instance } from "../supervisor/instance.ts";
import { diagnose } from "./diagnosis.ts";
import {
  exitedEarly,
  failureOf,
  failureOfError,
  notReady,
  portTaken,
  type StartOutcome,
} from "./failure.ts";
import type { Launch } from "./launch.ts";
import { exitOf } from "./life-row.ts";
import type { FailedAttempt } from "./readiness/attempt.ts";
import { awaitReady } from "./readiness/await-ready.ts";
import { loopbackPort } from "./readiness/probe-target.ts";
import type { MakeProbeTools } from "./readiness/probe-tools.ts";
import { resetAfterMs } from "./restart-policy.ts";
import type { LifeEvent } from "./state.ts";
import type { TakenPort } from "./taken-port.ts";
import { within } from "./within.ts";

/** One instance of a service, from the wish for its process to that process's end. */
export interface StartAttempt {
  /** Ready, or why not: told once, to everybody who waits for this try. */
  readonly outcome: Promise<StartOutcome>;
  /** Aborts when there is nothing left to ask. */
  readonly signal: AbortSignal;
  /** Its process; undefined when there is none. */
  instance(): Promise<Instance | undefined>;
  /** Why it did not come up, once that is known. */
  failure(): ServiceFailure | undefined;
  /** What was found of why it did not come up; waits for the last words of an early exit. */
  diagnosis(): Promise<Diagnosis | undefined>;
  /** Its ports on which somebody else was found listening when it failed. */
  takenPorts(): readonly number[];
  /** Starts its process with what `prepare` makes, unless the signal aborts before. Once. */
  spawn(prepare: (signal: AbortSignal) => Promise<Launch>): void;
  /** Goes on with the process of an earlier server, or with none. Once, instead of `spawn`. */
  resume(instance: Instance | undefined): void;
  /** Asks until it is ready, or never will be. */
  probe(): void;
  stopProbing(): void;
  /** It came up in an earlier server's time. */
  wasReady(): void;
  /** It will not come up: tells why, after its last words. */
  fail(reason?: ServiceFailure): void;
  /** Another attempt takes its place: who waits is told what becomes of that one. */
  handOver(next: Promise<StartOutcome>): void;
}

/** What an attempt knows of its service, and whom it tells. */
export interface AttemptContext extends AttemptDependencies {
  row(): Service;
  launch(): Launch | undefined;
  keepLaunch(launch: Launch): void;
  /** Stores and acts upon an event; resolves once that is done. */
  tell(event: LifeEvent, facts?: ServicePatch): Promise<unknown>;
  /** The row says RUNNING. */
  onReady(): void;
  /** It is ending only to be started again. */
  comesBack(): boolean;
  readonly over: Promise<void>;
}

export interface AttemptDependencies {
  readonly clock: Clock;
  readonly failpoints: Failpoints;
  readonly openLog: () => Promise<Log>;
  /** Starts the instance that the row names. */
  readonly start: (row: Service, launch: Launch) => Promise<Instance>;
  readonly probeTools: MakeProbeTools;
  /** Somebody else listens on one of its ports? */
  readonly findTakenPort: (row: Service, instance: Instance) => Promise<TakenPort | undefined>;
  /** PORT_IN_USE, with who has it. */
  readonly portInUse: (row: Service, launch: Launch, taken: TakenPort) => Promise<RuntimeError>;
  readonly waiting: { count: number };
}

/**
 * How long an early exit waits for its last words, looks at who has its port, and waits for its row to be
 * settled, before it is told.
 */
const LAST_WORDS_MS = 30;
const LAST_LOOK_MS = 15;
const SETTLED_SOON_MS = 50;
/** What was found once does not hold for one that works. */
const UNDIAGNOSED = { diagnosis: undefined } as const;

export function createStartAttempt(context: AttemptContext): StartAttempt {
  const { clock, failpoints, openLog, row, tell } = context;
  const outcome = Promise.withResolvers<StartOutcome>();
  const probing = new AbortController();
  let instance: Promise<Instance | undefined> = Promise.resolve(undefined);
  let failure: ServiceFailure | undefined;
  /** Of an early exit: its output is still being read, and belongs into what is told. */
  let lastWords: Promise<void> | undefined;
  let taken: TakenPort | undefined;
  let isHandedOver = false;

  return {
    outcome: outcome.promise,
    signal: probing.signal,
    instance: () => instance,
    failure: () => failure,
    async diagnosis() {
      await lastWords;
      return failure?.diagnosis;
    },
    takenPorts: () => (taken === undefined ? [] : [taken.port]),
    spawn(prepare) {
      instance = spawned(prepare);
    },
    resume(found) {
      instance = Promise.resolve(found);
      if (found !== undefined) watch(found);
    },
    probe: () => void probe().catch(() => {}),
    stopProbing: () => probing.abort(),
    wasReady: () => outcome.resolve({ ok: true }),
    fail(reason) {
      failure ??= reason;
      void Promise.resolve(lastWords).then(tellFailure);
    },
    handOver(next) {
      isHandedOver = true;
      outcome.resolve(next);
    },
  };

  async function spawned(
    prepare: (signal: AbortSignal) => Promise<Launch>,
  ): Promise<Instance | undefined> {
    let started: Instance | undefined;
    try {
      await failpoints.hit("service.row-written");
      const launch = await prepare(probing.signal);
      context.keepLaunch(launch);
      await failpoints.hit("service.launch-kept");
      if (row().state !== "STARTING") return undefined;
      started = await context.start(row(), launch);
      await tell({ type: "spawned" }, { providerRef: String(started.pid), startTime: clock.now() });
      watch(started);
      return started;
    } catch (error) {
      // It was being stopped before it had a process: that is no failure of its own.
      if (started === undefined && probing.signal.aborted) return undefined;
      // Nor is the end of the server: its process goes on, and the next one finds it.
      if (started !== undefined && isRuntimeError(error, "SHUTTING_DOWN")) return started;
      const why = failureOfError(row(), error);
      failure = { ...why, message: masked(why.message) };
      const { message } = failure;
      // A process that came to be is ended before a row says that none did.
      if (started !== undefined) watch(started);
      const event = started === undefined ? "spawn-failed" : "not-ready";
      void tell({ type: event, message }).catch(() => {});
      return started;
    }
  }

  function watch(started: Instance): void {
    // What the server's end keeps from being written, the next server finds.
    started.exited.then((ended) => settleExit(started, ended)).catch(() => {});
  }

  async function settleExit(from: Instance, ended: Exit): Promise<void> {
    probing.abort();
    const early = row().state === "STARTING";
    const exit = exitOf(ended, early);
    if (early) await lookForTakenPort(from);
    const ran = ended.exitTime - (row().readyTime ?? ended.exitTime);
    const stable = ran >= resetAfterMs(row().spec.restart);
    const portTaken = taken?.automatic === true;
    const told = tell({ type: "exited", exit, stable, portTaken }, { exit, providerRef: "" });
    if (early) lastWords = hearLastWords(from, exit, told);
    await told;
    if (!early || context.comesBack()) return;
    await lastWords;
    await within(SETTLED_SOON_MS, context.over);
    tellFailure();
  }

  async function hearLastWords(
    from: Instance,
    exit: ServiceExit,
    told: Promise<unknown>,
  ): Promise<void> {
    await within(LAST_WORDS_MS, from.drained);
    const found = { reason: "EXITED_EARLY", error: "" };
    failure = exitedEarly(row(), exit, await evidence(found, from, LAST_LOOK_MS));
    if (taken === undefined) return;
    await Promise.allSettled([told]);
    // Who has the port takes a look at all processes: for an attempt that counts.
    if (!isHandedOver && !context.comesBack()) failure = await withTakenPort(failure);
  }

  async function lookForTakenPort(asked: Instance): Promise<void> {
    // A host that cannot be looked at for a moment has not taken anything.
    taken = await context.findTakenPort(row(), asked).catch(() => undefined);
  }

  /** An early exit beside somebody else's listener is told as what it is, whatever the program's own words are. */
  async function withTakenPort(early: ServiceFailure): Promise<ServiceFailure> {
    const launch = context.launch();
    if (taken === undefined || launch === undefined) return early;
    try {
      return portTaken(early, await context.portInUse(row(), launch, taken));
    } catch {
      return early;
    }
  }

  function evidence(
    found: Pick<FailedAttempt, "error" | "ownerPid"> & { readonly reason: string },
    from: Instance,
    lookMs?: number,
  ): Promise<Diagnosis> {
    const { target, env = {} } = context.launch() ?? {};
    const port = (target && loopbackPort(target)) ?? row().port;
    const evidence = { openLog, instance: from, port, env };
    return diagnose(found, lookMs === undefined ? evidence : { ...evidence, lookMs });
  }

  function masked(text: string): string {
    return maskSecrets(text, context.launch()?.env ?? {});
  }

  /** One that came up has told its callers so before. */
  function tellFailure(): void {
    const stopped = failureOf(row(), "SERVICE_STOPPED", "was stopped before it was ready");
    outcome.resolve({ ok: false, failure: failure ?? stopped });
  }

  async function probe(): Promise<void> {
    const begun = clock.monotonic();
    context.waiting.count += 1;
    try {
      const asked = await instance;
      if (asked === undefined) return;
      const result = await awaitReady({
        target: context.launch()?.target ?? { kind: "alive" },
        probe: row().spec.readiness,
        tools: context.probeTools(context.launch(), asked, row().instance),
        clock,
        waiting: () => context.waiting.count,
        signal: probing.signal,
      });
      if (result.ok) {
        await tell({ type: "ready" }, { readyTime: clock.now(), ...UNDIAGNOSED });
        if (row().state !== "RUNNING") return;
        outcome.resolve({ ok: true });
        context.onReady();
        return;
      }
      const diagnosis = await evidence(result, asked);
      if (probing.signal.aborted) return;
      failure = notReady(row(), diagnosis, clock.monotonic() - begun);
      await lookForTakenPort(asked);
      const portTaken = taken?.automatic === true;
      await tell({ type: "not-ready", message: failure.message, portTaken }, { diagnosis });
    } catch (error) {
      if (probing.signal.aborted) return;
      failure = failureOfError(row(), error);
      await tell({ type: "not-ready", message: failure.message });
    } finally {
      context.waiting.count -= 1;
    }
  }
}
