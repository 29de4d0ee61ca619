import { createHash } from "node:crypto";
import type { HealthStatus, Service, ServiceState } from "../model/service.ts";
import type { ScopeType } from "../model/service-spec.ts";
import type { Workspace } from "../model/workspace.ts";
import type { NewService } from "../store/services.ts";
import { canonicalJson } from "./canonical-json.ts";
import { DEFAULT_NAME } from "./service-name.ts";
import type { ReportRequest, ServiceReport } from "./services.ts";
import { isOver } from "./state.ts";

/** Whose report it is, and what holds for all services of the call. */
export interface ReportContext {
  readonly request: ReportRequest;
  readonly companyId: string;
  readonly workspace?: Workspace;
  /** Epoch ms. */
  readonly now: number;
}

/** What a report says of a service; what it leaves out comes from the request, else from its workspace. */
export function reportedRow(report: ServiceReport, context: ReportContext): NewService {
  const { request, companyId, workspace, now } = context;
  const { adapterType, runId, workspaceId } = request;
  const projectId = report.projectId || request.projectId || workspace?.projectId || "";
  const projectWorkspaceId =
    report.projectWorkspaceId || request.projectWorkspaceId || workspace?.projectWorkspaceId || "";
  const issueId = report.issueId || (request.issue ?? workspace?.issue)?.issueId || "";
  const ownerAgentId = report.ownerAgentId || (request.agent ?? workspace?.agent)?.agentId || "";
  const cwd = report.cwd || request.cwd || workspace?.cwd || "";
  const serviceName = report.serviceName || DEFAULT_NAME;
  const state = report.state ?? "RUNNING";
  const scopeType = report.scopeType ?? "RUN";
  const idOfScope: Readonly<Record<ScopeType, string>> = {
    PROJECT_WORKSPACE: projectWorkspaceId || projectId || workspaceId,
    EXECUTION_WORKSPACE: workspaceId || cwd,
    AGENT: ownerAgentId,
    RUN: runId,
  };
  const scopeId = report.scopeId || idOfScope[scopeType];
  const { providerRef, reuseKey, command, url } = report;
  return {
    serviceId:
      report.id ||
      derivedId({ adapterType, runId, scopeType, scopeId, serviceName, providerRef, reuseKey }),
    companyId,
    projectId,
    projectWorkspaceId,
    workspaceId,
    issueId,
    serviceName,
    state,
    health: report.health ?? healthOf(state),
    stateMessage: "",
    lifecycle: report.lifecycle ?? "EPHEMERAL",
    scopeType,
    scopeId,
    reuseKey,
    command,
    cwd,
    ...(report.port === undefined ? {} : { port: report.port }),
    ports: {},
    url,
    provider: "ADAPTER_MANAGED",
    providerRef,
    adapterType,
    ownerAgentId,
    startedByRunId: runId,
    stopPolicy: report.stopPolicy ?? { kind: "manual" },
    instance: 1,
    restartCount: 0,
    startTime: now,
    ...(isOver(state) ? { stopTime: now } : {}),
    spec: { name: serviceName },
  };
}

/** What of a report goes into a row that there is already: when it began stays, and when it ended. */
export function reportedPatch(row: NewService, stored: Service) {
  const { serviceId, companyId, startTime, stopTime, ...said } = row;
  return {
    ...said,
    port: said.port,
    startTime: stored.startTime ?? startTime,
    stopTime: stopTime === undefined ? undefined : (stored.stopTime ?? stopTime),
    stateReason: stored.state === said.state ? stored.stateReason : undefined,
    startedByRunId: said.startedByRunId || stored.startedByRunId,
  };
}

/** As callers' stored ids were made: lower-case scopes, null for what is absent. */
function derivedId(parts: {
  readonly adapterType: string;
  readonly runId: string;
  readonly scopeType: ScopeType;
  readonly scopeId: string;
  readonly serviceName: string;
  readonly providerRef: string;
  readonly reuseKey: string;
}): string {
  const named = {
    ...parts,
    scopeType: parts.scopeType.toLowerCase(),
    scopeId: parts.scopeId || null,
    providerRef: parts.providerRef || null,
    reuseKey: parts.reuseKey || null,
  };
  const digest = createHash("sha256").update(canonicalJson(named)).digest("hex").slice(0, 32);
  return `${parts.adapterType}-${digest}`;
}

function healthOf(state: ServiceState): HealthStatus {
  if (state === "RUNNING") return "HEALTHY";
  return state === "FAILED" ? "UNHEALTHY" : "UNKNOWN";
}
