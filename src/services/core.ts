import type { Clock } from "../clock.ts";
import type { Failpoints } from "../failpoints.ts";
import type { RunCalls } from "../leases/run-calls.ts";
import type { Logger } from "../logger.ts";
import type { StopPolicy } from "../model/service-spec.ts";
import type { Operations } from "../operations/operations.ts";
import type { Store } from "../store/store.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { AllowedRoots } from "../workspaces/allowed-roots.ts";
import type { AnsweredOnce } from "./answered-once.ts";
import type { DependencyWaits } from "./await-dependencies.ts";
import type { EnsuredAgain } from "./ensured-again.ts";
import type { Intents } from "./intents.ts";
import type { Launcher } from "./launcher.ts";
import type { ProbeHosts } from "./readiness/probe-hosts.ts";
import type { Registry } from "./registry.ts";
import type { StorePatience } from "./store-patience.ts";
import type { UntilStored } from "./until-stored.ts";

/** What the parts of the service manager share. */
export interface ServicesCore {
  readonly store: Store;
  readonly clock: Clock;
  readonly failpoints: Failpoints;
  readonly log: Logger;
  readonly registry: Registry;
  readonly launcher: Launcher;
  readonly supervisor: Pick<Supervisor, "recorded" | "marked">;
  readonly runs: RunCalls;
  readonly answeredOnce: AnsweredOnce;
  readonly ensuredAgain: EnsuredAgain;
  readonly intents: Intents;
  readonly dependencies: DependencyWaits;
  readonly untilStored: UntilStored;
  readonly patience: StorePatience;
  readonly operations: Operations;
  readonly allowedRoots: AllowedRoots;
  readonly probeHosts: ProbeHosts;
  readonly settings: ServiceSettings;
}

export interface ServiceSettings {
  readonly nodeId: string;
  /** Keys the published reuse keys. */
  readonly identityKey: string;
  readonly envPrefix: string;
  readonly defaultStopPolicy: StopPolicy;
  /** 0: never expires. */
  readonly defaultLeaseTtlMs: number;
}
