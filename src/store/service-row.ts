import type {
  Diagnosis,
  HealthStatus,
  Provider,
  Service,
  ServiceExit,
  ServiceState,
  StateReason,
} from "../model/service.ts";
import type { Lifecycle, ScopeType } from "../model/service-spec.ts";
import { fromJson, fromOptionalJson, optional, toOptionalJson } from "./json.ts";
import type { ResourceTable } from "./resource.ts";
import type { Json, ServiceTable } from "./schema.ts";

/** A row with the run ids of its live leases, as `selectServices` reads it. */
export interface ServiceRow extends ServiceTable {
  lease_run_ids: Json;
}

export const serviceTable: ResourceTable<Service, ServiceTable> = {
  name: "services",
  idColumn: "service_id",
  toRow: serviceToRow,
  toResource: (resource) => ({ kind: "SERVICE", resource }),
};

export function serviceFromRow(row: ServiceRow): Service {
  return {
    serviceId: row.service_id,
    companyId: row.company_id,
    projectId: row.project_id,
    projectWorkspaceId: row.project_workspace_id,
    workspaceId: row.workspace_id,
    issueId: row.issue_id,
    serviceName: row.service_name,
    state: row.state as ServiceState,
    health: row.health as HealthStatus,
    ...optional("stateReason", row.state_reason as StateReason | null),
    stateMessage: row.state_message,
    lifecycle: row.lifecycle as Lifecycle,
    scopeType: row.scope_type as ScopeType,
    scopeId: row.scope_id,
    reuseKey: row.reuse_key,
    command: row.command,
    cwd: row.cwd,
    ...optional("port", row.port),
    ports: fromJson(row.ports),
    url: row.url,
    provider: row.provider as Provider,
    providerRef: row.provider_ref,
    ...optional("adapterType", row.adapter_type),
    ownerAgentId: row.owner_agent_id,
    startedByRunId: row.started_by_run_id,
    // A run may hold a service through several workspaces.
    leaseRunIds: [...new Set(fromJson<string[]>(row.lease_run_ids))].sort(),
    stopPolicy: fromJson(row.stop_policy),
    ...optional("exit", fromOptionalJson<ServiceExit>(row.exit)),
    instance: row.instance,
    restartCount: row.restart_count,
    nodeId: row.node_id,
    ...optional("startTime", row.start_time),
    ...optional("readyTime", row.ready_time),
    ...optional("stopTime", row.stop_time),
    lastUsedTime: row.last_used_time,
    createTime: row.create_time,
    updateTime: row.update_time,
    revision: row.revision,
    ...optional("diagnosis", fromOptionalJson<Diagnosis>(row.diagnosis)),
    spec: fromJson(row.spec),
  };
}

function serviceToRow(record: Service): ServiceTable {
  return {
    service_id: record.serviceId,
    company_id: record.companyId,
    project_id: record.projectId,
    project_workspace_id: record.projectWorkspaceId,
    workspace_id: record.workspaceId,
    issue_id: record.issueId,
    service_name: record.serviceName,
    state: record.state,
    health: record.health,
    state_reason: record.stateReason ?? null,
    state_message: record.stateMessage,
    lifecycle: record.lifecycle,
    scope_type: record.scopeType,
    scope_id: record.scopeId,
    reuse_key: record.reuseKey,
    identity: identityOf(record),
    command: record.command,
    cwd: record.cwd,
    port: record.port ?? null,
    ports: JSON.stringify(record.ports),
    url: record.url,
    provider: record.provider,
    provider_ref: record.providerRef,
    adapter_type: record.adapterType ?? null,
    owner_agent_id: record.ownerAgentId,
    started_by_run_id: record.startedByRunId,
    stop_policy: JSON.stringify(record.stopPolicy),
    exit: toOptionalJson(record.exit),
    instance: record.instance,
    restart_count: record.restartCount,
    node_id: record.nodeId,
    start_time: record.startTime ?? null,
    ready_time: record.readyTime ?? null,
    stop_time: record.stopTime ?? null,
    last_used_time: record.lastUsedTime,
    create_time: record.createTime,
    update_time: record.updateTime,
    revision: record.revision,
    diagnosis: toOptionalJson(record.diagnosis),
    spec: JSON.stringify(record.spec),
  };
}

/** What `current` shows one row of: the reuse key, else where and what the service is. */
function identityOf(record: Service): string {
  if (record.reuseKey !== "") return record.reuseKey;
  const { scopeType, scopeId, workspaceId, serviceName, command, cwd } = record;
  return JSON.stringify([scopeType, scopeId, workspaceId, serviceName, command, cwd]);
}
