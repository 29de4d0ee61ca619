import {
  type Change,
  ChangeType,
  type Lease,
  type Operation,
  OperationPhase,
  OperationStatus,
  type ProjectWorkspace,
  type Service,
  type Workspace,
  WorkspaceState,
} from "../client/index.ts";
import { nameOf, stateOf } from "./words.ts";

/** One change on one line: kind, name, what it is now, and the id to ask further with. */
export function describeChange({ type, resource }: Change): string {
  const gone = type === ChangeType.DELETED ? "gone: " : "";
  switch (resource.case) {
    case "service":
      return row(
        "service",
        resource.value.serviceName,
        gone + ofService(resource.value),
        resource.value.serviceId,
      );
    case "workspace":
      return row(
        "workspace",
        titleOf(resource.value),
        gone + ofWorkspace(resource.value),
        resource.value.workspaceId,
      );
    case "operation":
      return row(
        "operation",
        nameOf(OperationPhase, resource.value.phase),
        gone + ofOperation(resource.value),
        resource.value.operationId,
      );
    case "lease":
      return row(
        "lease",
        `run ${resource.value.runId}`,
        ofLease(resource.value, type),
        resource.value.leaseId,
      );
    case "projectWorkspace":
      return row(
        "project",
        titleOfProject(resource.value),
        type === ChangeType.DELETED ? "deleted" : resource.value.cwd,
        resource.value.projectWorkspaceId,
      );
    default:
      return "something of a kind that this version does not know";
  }
}

/** Tells one thing from another, whatever its kind. */
export function idOf({ resource }: Change): string {
  switch (resource.case) {
    case "service":
      return `service ${resource.value.serviceId}`;
    case "workspace":
      return `workspace ${resource.value.workspaceId}`;
    case "operation":
      return `operation ${resource.value.operationId}`;
    case "lease":
      return `lease ${resource.value.leaseId}`;
    case "projectWorkspace":
      return `project ${resource.value.projectWorkspaceId}`;
    default:
      return "";
  }
}

/** When it changed, as far as the thing says. */
export function timeOfChange({ type, resource }: Change): Service["updateTime"] {
  switch (resource.case) {
    case "service":
    case "workspace":
    case "projectWorkspace":
      return resource.value.updateTime;
    case "operation":
      return resource.value.endTime ?? resource.value.startTime;
    case "lease":
      return type === ChangeType.DELETED ? undefined : resource.value.renewTime;
    default:
      return undefined;
  }
}

function row(kind: string, name: string, what: string, id: string): string {
  return `${kind.padEnd(9)}  ${name}  ${what}  ${id}`;
}

function ofService(service: Service): string {
  const port = service.port === undefined ? "" : `port ${service.port}`;
  const restarts = service.instance > 1 ? `instance ${service.instance}` : "";
  return joined([stateOf(service), service.stateMessage, service.url || port, restarts]);
}

function ofWorkspace({ state, stateMessage, branchName }: Workspace): string {
  return joined([
    nameOf(WorkspaceState, state),
    stateMessage,
    branchName && `branch ${branchName}`,
  ]);
}

function ofOperation({ status, exitCode, command, message }: Operation): string {
  const code = exitCode === undefined || exitCode === 0 ? "" : `exit code ${exitCode}`;
  return joined([nameOf(OperationStatus, status), code, command || message]);
}

function ofLease({ serviceId, workspaceId }: Lease, type: ChangeType): string {
  const what = serviceId === "" ? `workspace ${workspaceId}` : `service ${serviceId}`;
  return `${type === ChangeType.DELETED ? "no longer holds" : "holds"} ${what}`;
}

function titleOf({ name, issue, cwd }: Workspace): string {
  return name || issue?.identifier || cwd;
}

function titleOfProject({ name, projectWorkspaceId }: ProjectWorkspace): string {
  return name || projectWorkspaceId;
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(", ");
}
