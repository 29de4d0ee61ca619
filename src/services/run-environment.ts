import type { ServiceState } from "../model/service.ts";
import type { Workspace } from "../model/workspace.ts";
import type { EnsuredService } from "./services.ts";

/**
 * What an orchestrator gives to its agent's process: the services as JSON and the first URL, all
 * prefixed. `workspaceVariables` are those of section 2, prefixed already.
 */
export function runEnvironment(
  prefix: string,
  workspaceVariables: Readonly<Record<string, string>>,
  workspace: Workspace,
  services: readonly EnsuredService[],
): Record<string, string> {
  return {
    ...workspaceVariables,
    [`${prefix}RUNTIME_SERVICES_JSON`]: JSON.stringify(
      services.map((ensured) => serviceReference(ensured, workspace)),
    ),
    [`${prefix}RUNTIME_PRIMARY_URL`]:
      services.find(({ service }) => service.url !== "")?.service.url ?? "",
  };
}

/** The shape that callers of the old module know: camelCase, null for what is absent. */
function serviceReference({ service, reused }: EnsuredService, workspace: Workspace) {
  return {
    id: service.serviceId,
    companyId: service.companyId,
    projectId: service.projectId || null,
    projectWorkspaceId: service.projectWorkspaceId || null,
    executionWorkspaceId: service.workspaceId || workspace.workspaceId,
    issueId: service.issueId || null,
    serviceName: service.serviceName,
    status: statusOf(service.state),
    lifecycle: service.lifecycle.toLowerCase(),
    scopeType: service.scopeType.toLowerCase(),
    scopeId: service.scopeId || null,
    reuseKey: service.reuseKey || null,
    command: service.command || null,
    cwd: service.cwd || null,
    port: service.port ?? null,
    url: service.url || null,
    provider: service.provider.toLowerCase(),
    providerRef: service.providerRef || null,
    ownerAgentId: service.ownerAgentId || null,
    startedByRunId: service.startedByRunId || null,
    lastUsedAt: isoTime(service.lastUsedTime),
    startedAt: isoTime(service.startTime),
    stoppedAt: isoTime(service.stopTime),
    healthStatus: service.health.toLowerCase(),
    reused,
  };
}

function statusOf(state: ServiceState): "starting" | "running" | "stopped" | "failed" {
  switch (state) {
    case "STARTING":
    case "BACKOFF":
      return "starting";
    case "RUNNING":
      return "running";
    case "STOPPING":
    case "STOPPED":
      return "stopped";
    case "FAILED":
      return "failed";
  }
}

function isoTime(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}
