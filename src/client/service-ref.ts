import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  HealthStatus,
  Lifecycle,
  Provider,
  ScopeType,
  type Service,
  ServiceState,
} from "../../gen/workspace/runtime/v1/service_pb.ts";

/** A service in the shape that callers of the orchestrator's own module know: camelCase, null for what is absent. */
export interface RuntimeServiceRef {
  readonly id: string;
  readonly companyId: string;
  readonly projectId: string | null;
  readonly projectWorkspaceId: string | null;
  readonly executionWorkspaceId: string | null;
  readonly issueId: string | null;
  readonly serviceName: string;
  readonly status: "starting" | "running" | "stopped" | "failed";
  readonly lifecycle: string;
  readonly scopeType: string;
  readonly scopeId: string | null;
  readonly reuseKey: string | null;
  readonly command: string | null;
  readonly cwd: string | null;
  readonly port: number | null;
  readonly url: string | null;
  readonly provider: string;
  readonly providerRef: string | null;
  readonly ownerAgentId: string | null;
  readonly startedByRunId: string | null;
  /** ISO 8601 in UTC, as the next two. */
  readonly lastUsedAt: string | null;
  readonly startedAt: string | null;
  readonly stoppedAt: string | null;
  readonly healthStatus: string;
  readonly reused: boolean;
}

/**
 * What `RUNTIME_SERVICES_JSON` of a run's `run_env` has of each service, from the service itself. `workspaceId` is the
 * workspace through which it was asked for, for a service that was started for a project workspace; default none.
 */
export function toRuntimeServiceRef(service: Service, workspaceId = ""): RuntimeServiceRef {
  return {
    id: service.serviceId,
    companyId: service.companyId,
    projectId: service.projectId || null,
    projectWorkspaceId: service.projectWorkspaceId || null,
    executionWorkspaceId: service.workspaceId || workspaceId || null,
    issueId: service.issueId || null,
    serviceName: service.serviceName,
    status: statusOf(service.state),
    lifecycle: wordOf(Lifecycle, service.lifecycle || Lifecycle.SHARED),
    scopeType: wordOf(ScopeType, service.scopeType),
    scopeId: service.scopeId || null,
    reuseKey: service.reuseKey || null,
    command: service.command || null,
    cwd: service.cwd || null,
    port: service.port ?? null,
    url: service.url || null,
    provider: wordOf(Provider, service.provider),
    providerRef: service.providerRef || null,
    ownerAgentId: service.ownerAgentId || null,
    startedByRunId: service.startedByRunId || null,
    lastUsedAt: isoTime(service.lastUsedTime),
    startedAt: isoTime(service.startTime),
    stoppedAt: isoTime(service.stopTime),
    healthStatus: wordOf(HealthStatus, service.health || HealthStatus.UNKNOWN),
    reused: service.reused,
  };
}

function statusOf(state: ServiceState): RuntimeServiceRef["status"] {
  switch (state) {
    case ServiceState.RUNNING:
      return "running";
    case ServiceState.STOPPING:
    case ServiceState.STOPPED:
      return "stopped";
    case ServiceState.FAILED:
      return "failed";
    default:
      return "starting";
  }
}

/** The name of an enum's value in lower case. */
function wordOf(names: Readonly<Record<string, string | number>>, value: number): string {
  const found = Object.entries(names).find(([, number]) => number === value);
  return found?.[0].toLowerCase() ?? "unspecified";
}

function isoTime(time: Timestamp | undefined): string | null {
  return time === undefined ? null : timestampDate(time).toISOString();
}
