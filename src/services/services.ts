import type { ServiceFailure } from "../errors.ts";
import type { Lease } from "../model/lease.ts";
import type { Operation } from "../model/operation.ts";
import type { Page, PageRequest } from "../model/page.ts";
import type {
  HealthStatus,
  Service,
  ServiceState,
  StateReason,
  StopReceipt,
} from "../model/service.ts";
import type { Lifecycle, ScopeType, ServiceSpec, StopPolicy } from "../model/service-spec.ts";
import type { Actor, AgentRef, IssueRef, Workspace } from "../model/workspace.ts";
import type { LeaseFilter } from "../store/leases.ts";
import type { ServiceFilter } from "../store/services.ts";

export type { LeaseFilter } from "../store/leases.ts";
export type { ServiceFilter } from "../store/services.ts";

/**
 * The services of all workspaces. A call whose `signal` aborts is answered at once with the
 * signal's reason; what it began goes on, and the same call again joins it.
 */
export interface Services {
  /** Joins or starts what a run needs and leases it. Idempotent by run, workspace and names. */
  ensure(request: EnsureRequest, signal: AbortSignal): Promise<EnsureResult>;
  /** Starts by control: no lease. Joins what already runs. */
  start(request: StartRequest, signal: AbortSignal): Promise<ControlResult>;
  /** Stops with proof. Stopping what is stopped is OK. */
  stop(request: StopRequest, signal: AbortSignal): Promise<ControlResult>;
  /** The next instance of each, under the same id. */
  restart(request: RestartRequest, signal: AbortSignal): Promise<ControlResult>;
  /**
   * Records what an adapter runs elsewhere, all reports or none. Idempotent by id. INVALID_FIELD, WORKSPACE_NOT_FOUND,
   * FORBIDDEN for a row that is not this adapter's in this company, RUN_RELEASED.
   */
  report(request: ReportRequest, signal: AbortSignal): Promise<ReportResult>;
  /** Drops a run's leases and ends its calls in flight with RUN_RELEASED. Unknown run: nothing. */
  releaseRun(runId: string, actor: Actor | undefined, signal: AbortSignal): Promise<ReleaseResult>;
  /**
   * Each live lease of the run for `ttlMs` from now (absent: for its own ttl). RUN_NOT_FOUND when it
   * has none: ensure again.
   */
  renewRun(runId: string, ttlMs: number | undefined): Promise<readonly Lease[]>;
  /** The leases on these have ended by the clock: their stop policies apply. */
  expired(serviceIds: readonly string[]): void;
  listLeases(filter: LeaseFilter, page: PageRequest): Promise<Page<Lease>>;
  /** SERVICE_NOT_FOUND when there is no such row. */
  get(serviceId: string): Promise<Service>;
  list(filter: ServiceFilter, page: PageRequest): Promise<Page<Service>>;
  /** What lives of a workspace's services: its own by scope, and what runs in its worktree. */
  ofWorkspace(workspace: Workspace): readonly Service[];
  /** Stops these, leased or not, with proof; failures are STOP_NOT_PROVEN. */
  stopOfWorkspace(
    workspace: Workspace,
    reason: Extract<StateReason, "STOP_REQUESTED" | "WORKSPACE_ARCHIVED">,
  ): Promise<{
    readonly stopped: readonly StopReceipt[];
    readonly failures: readonly ServiceFailure[];
  }>;
}

export interface EnsureRequest {
  readonly runId: string;
  readonly workspaceId: string;
  readonly services: readonly ServiceSpec[];
  readonly fromConfig: boolean;
  readonly serviceNames: readonly string[];
  readonly agent?: AgentRef;
  readonly issue?: IssueRef;
  /** Never stored. */
  readonly adapterEnv: Readonly<Record<string, string>>;
  /** Absent: the server's default. 0: never expires. */
  readonly leaseTtlMs?: number;
  readonly noWait: boolean;
  readonly actor?: Actor;
}

export interface EnsureResult {
  /** In the order asked. */
  readonly services: readonly EnsuredService[];
  /** Of those with allow_failure. */
  readonly failures: readonly ServiceFailure[];
  readonly readyComment: string;
  readonly runEnv: Readonly<Record<string, string>>;
}

export interface EnsuredService {
  readonly service: Service;
  /** It was running (or starting for another caller) already. */
  readonly reused: boolean;
}

/** Whose services a control call is about. */
export type ControlTarget =
  | { readonly kind: "service"; readonly serviceId: string }
  | { readonly kind: "workspace"; readonly workspaceId: string }
  | { readonly kind: "project_workspace"; readonly projectWorkspaceId: string };

export interface StartRequest {
  readonly target: Exclude<ControlTarget, { kind: "service" }>;
  /** Empty: the target's config. */
  readonly services: readonly ServiceSpec[];
  readonly serviceNames: readonly string[];
  readonly adapterEnv: Readonly<Record<string, string>>;
  /** "" for none; kept 1 h per company and method. */
  readonly requestId: string;
  readonly noWait: boolean;
  readonly actor?: Actor;
}

export interface StopRequest {
  readonly target: ControlTarget;
  readonly serviceNames: readonly string[];
  readonly force: boolean;
  /** Absent: each service's own. 0: KILL at once. */
  readonly graceMs?: number;
  readonly actor?: Actor;
}

export interface RestartRequest extends StopRequest {
  /** "" for none; kept 1 h per company and method. */
  readonly requestId: string;
  /** Answers once the old instance is gone, before the next is ready. */
  readonly noWait: boolean;
}

export interface ControlResult {
  readonly services: readonly EnsuredService[];
  readonly stopped: readonly StopReceipt[];
  readonly failures: readonly ServiceFailure[];
  readonly operation: Operation;
}

/** An absent text is ""; what is "" comes from the workspace. */
export interface ReportRequest {
  readonly adapterType: string;
  readonly companyId: string;
  readonly projectId: string;
  readonly projectWorkspaceId: string;
  readonly runId: string;
  /** "" for none. */
  readonly workspaceId: string;
  readonly cwd: string;
  readonly agent?: AgentRef;
  readonly issue?: IssueRef;
  /** At most 500. */
  readonly reports: readonly ServiceReport[];
}

/** An adapter's word on one service. What is "" or absent comes from the request. */
export interface ServiceReport {
  /** "": made from what identifies it. */
  readonly id: string;
  /** "": "service". */
  readonly serviceName: string;
  readonly projectId: string;
  readonly projectWorkspaceId: string;
  readonly issueId: string;
  /** Default RUN. */
  readonly scopeType?: ScopeType;
  readonly scopeId: string;
  /** Default RUNNING. */
  readonly state?: ServiceState;
  /** Default EPHEMERAL. */
  readonly lifecycle?: Lifecycle;
  readonly reuseKey: string;
  readonly command: string;
  readonly cwd: string;
  readonly port?: number;
  readonly url: string;
  readonly providerRef: string;
  readonly ownerAgentId: string;
  /** Default manual; only recorded. */
  readonly stopPolicy?: StopPolicy;
  /** Default from the state. */
  readonly health?: HealthStatus;
}

export interface ReportResult {
  /** In the order of the reports. */
  readonly services: readonly Service[];
  /** "" without a workspace. */
  readonly readyComment: string;
}

export interface ReleaseResult {
  readonly released: readonly Service[];
  readonly stopped: readonly StopReceipt[];
}
