import type { Lifecycle, ScopeType, ServiceSpec, StopPolicy } from "./service-spec.ts";

export type ServiceState = "STARTING" | "RUNNING" | "STOPPING" | "STOPPED" | "FAILED" | "BACKOFF";
export type HealthStatus = "UNKNOWN" | "HEALTHY" | "UNHEALTHY";
export type Provider = "LOCAL_PROCESS" | "ADAPTER_MANAGED";

/** Why a service is in its state. */
export type StateReason =
  | "STOP_REQUESTED"
  | "LEASES_ENDED"
  | "LEASE_EXPIRED"
  | "IDLE_TIMEOUT"
  | "EXITED"
  | "SIGNALLED"
  | "OOM_KILLED"
  | "CRASH_LOOP"
  | "UNHEALTHY"
  | "NOT_READY"
  | "EXITED_EARLY"
  | "RESTARTED"
  | "STRAY"
  | "RUN_RELEASED"
  | "WORKSPACE_ARCHIVED"
  | "EXIT_STATUS_LOST";

/** How the main process ended. Neither code nor signal: it ended and the status is lost. */
export interface ServiceExit {
  readonly code?: number;
  /** "SIGKILL". A shell status above 128 is reported as the signal it names. */
  readonly signal?: string;
  /** Epoch ms. */
  readonly exitTime: number;
  readonly reason?: StateReason;
}

export interface Diagnosis {
  /** A short token: PORT_CLOSED, FOREIGN_LISTENER, HTTP_STATUS, … */
  readonly reason: string;
  readonly lastProbeError?: string;
  readonly outputTail?: string;
  readonly listeningPorts?: readonly number[];
  readonly portOwnerPid?: number;
}

/** One life of a service. All times are epoch ms. */
export interface Service {
  readonly serviceId: string;
  readonly companyId: string;
  readonly projectId: string;
  readonly projectWorkspaceId: string;
  readonly workspaceId: string;
  readonly issueId: string;
  readonly serviceName: string;
  readonly state: ServiceState;
  readonly health: HealthStatus;
  readonly stateReason?: StateReason;
  readonly stateMessage: string;
  readonly lifecycle: Lifecycle;
  readonly scopeType: ScopeType;
  readonly scopeId: string;
  /** Opaque keyed hash: equal for services that one process may serve. */
  readonly reuseKey: string;
  readonly command: string;
  /** Absolute. */
  readonly cwd: string;
  readonly port?: number;
  readonly ports: Readonly<Record<string, number>>;
  readonly url: string;
  readonly provider: Provider;
  /** A local process: its pid in decimal, "" when none lives. */
  readonly providerRef: string;
  /** The adapter that reports it; absent for a local process. */
  readonly adapterType?: string;
  readonly ownerAgentId: string;
  readonly startedByRunId: string;
  /** The runs that hold it now: derived from the leases at each read, never written. */
  readonly leaseRunIds: readonly string[];
  readonly stopPolicy: StopPolicy;
  readonly exit?: ServiceExit;
  /** 1 for the first process of this life, then one more for each restart. */
  readonly instance: number;
  readonly restartCount: number;
  readonly nodeId: string;
  readonly startTime?: number;
  readonly readyTime?: number;
  readonly stopTime?: number;
  readonly lastUsedTime: number;
  readonly createTime: number;
  readonly updateTime: number;
  readonly revision: number;
  readonly diagnosis?: Diagnosis;
  /** As the caller gave it, templates unrendered; of its variables the names alone. */
  readonly spec: ServiceSpec;
}

export interface StopReceipt {
  readonly serviceId: string;
  /** In the order sent: ["SIGTERM", "SIGCONT", "SIGKILL"]. */
  readonly signals: readonly string[];
  /** The grace passed and KILL was needed. */
  readonly escalated: boolean;
  readonly processesEnded: number;
  readonly survivors: readonly Survivor[];
  readonly durationMs: number;
  readonly exit?: ServiceExit;
  readonly portsFree: boolean;
  readonly proof: StopProof;
}

export type StopProof = "CGROUP" | "SUBREAPER" | "SCAN";

export interface Survivor {
  readonly pid: number;
  /** The kernel's letter: "D", "S", … */
  readonly state: string;
  readonly command: string;
}
