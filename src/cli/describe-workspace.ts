import { toJson } from "@bufbuild/protobuf";
import {
  DesiredState,
  type Lease,
  LeaseMode,
  LeaseSchema,
  type Operation,
  OperationPhase,
  OperationSchema,
  OperationStatus,
  type RuntimeClient,
  type Service,
  ServiceSchema,
  type Workspace,
  WorkspaceSchema,
  WorkspaceState,
  WorkspaceStrategy,
} from "../client/index.ts";
import type { Description } from "./describe.ts";
import { facts, section } from "./facts.ts";
import { listServices } from "./find-service.ts";
import { table } from "./table.ts";
import { age, nameOf, stateOf } from "./words.ts";

const LAST_OPERATIONS = 10;

/** A workspace: where it is, what it came from, what runs in it, who holds it, what was done to it. */
export async function describeWorkspace(
  client: RuntimeClient,
  workspace: Workspace,
): Promise<Description> {
  const workspaceIds = [workspace.workspaceId];
  const [services, { leases }, { operations }] = await Promise.all([
    listServices(client, { workspaceIds, current: true }),
    client.listLeases({ workspaceIds, pageSize: 500 }),
    client.listOperations({ workspaceIds, pageSize: LAST_OPERATIONS }),
  ]);
  const own = leases.filter(({ serviceId }) => serviceId === "");
  const text = [
    about(workspace),
    section("Warnings", workspace.warnings.join("\n")),
    section("Services", services.length === 0 ? "" : serviceTable(services)),
    section("Leases", own.map(holder).join("\n")),
    section("Last operations", operations.length === 0 ? "" : operationTable(operations)),
  ];
  return {
    text: text.filter((part) => part !== "").join("\n\n"),
    json: {
      workspace: toJson(WorkspaceSchema, workspace),
      services: services.map((service) => toJson(ServiceSchema, service)),
      leases: leases.map((lease) => toJson(LeaseSchema, lease)),
      operations: operations.map((operation) => toJson(OperationSchema, operation)),
    },
  };
}

function about(workspace: Workspace): string {
  const { issue, agent, baseRef, baseCommit } = workspace;
  return facts([
    ["Workspace", `${workspace.name}  ${workspace.workspaceId}`.trim()],
    ["State", nameOf(WorkspaceState, workspace.state)],
    ["Message", workspace.stateMessage],
    ["Strategy", nameOf(WorkspaceStrategy, workspace.strategy)],
    ["Directory", workspace.cwd],
    ["Branch", workspace.branchName],
    ["Base", [baseRef, baseCommit && `at ${baseCommit.slice(0, 12)}`].filter(Boolean).join(" ")],
    ["Repository", workspace.repoRoot],
    ["Made here", madeHere(workspace)],
    ["Issue", issue && [issue.identifier, issue.title].filter(Boolean).join(" ")],
    ["Agent", agent && (agent.name || agent.agentId)],
    ["Company", workspace.companyId],
    ["Project", workspace.projectId],
    ["Project workspace", workspace.projectWorkspaceId],
    [
      "Desired state",
      workspace.desiredState === 0 ? "" : nameOf(DesiredState, workspace.desiredState),
    ],
    ["Rescued work", workspace.rescueRef],
    ["Used", workspace.lastUsedTime && `${age(workspace.lastUsedTime)} ago`],
  ]);
}

function madeHere({ directoryCreated, branchCreated }: Workspace): string {
  return [directoryCreated && "directory", branchCreated && "branch"].filter(Boolean).join(", ");
}

function serviceTable(services: readonly Service[]): string {
  return table(
    ["NAME", "STATE", "URL", "ID"],
    services.map((service) => [
      service.serviceName,
      stateOf(service),
      service.url || (service.port === undefined ? "" : `port ${service.port}`),
      service.serviceId,
    ]),
  );
}

function operationTable(operations: readonly Operation[]): string {
  return table(
    ["WHEN", "PHASE", "STATUS", "WHAT"],
    operations.map(({ startTime, phase, status, exitCode, command, message }) => [
      `${age(startTime)} ago`,
      nameOf(OperationPhase, phase),
      exitCode
        ? `${nameOf(OperationStatus, status)} (${exitCode})`
        : nameOf(OperationStatus, status),
      command || message,
    ]),
  );
}

function holder({ runId, mode }: Lease): string {
  return `run ${runId}${mode === LeaseMode.EXCLUSIVE ? ", exclusive" : ""}`;
}
