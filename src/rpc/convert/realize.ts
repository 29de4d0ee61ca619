import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  type RealizeWorkspaceRequestSchema,
  RealizeWorkspaceResponseSchema,
  WorkspaceState,
} from "../../../gen/workspace/runtime/v1/workspace_pb.ts";
import type { RealizeRequest, RealizeResult } from "../../workspaces/workspaces.ts";
import { actorFromMessage, agentFromMessage, issueFromMessage } from "./actor.ts";
import { leaseModeFromValue, leaseToMessage } from "./lease.ts";
import { operationToMessage } from "./operation.ts";
import { present } from "./present.ts";
import { runtimeConfigFromMessage } from "./service-spec.ts";
import { msFromDuration } from "./time.ts";
import {
  gitWorktreeFromMessage,
  workspaceSourceFromValue,
  workspaceToMessage,
} from "./workspace.ts";

export function realizeFromMessage(
  request: MessageShape<typeof RealizeWorkspaceRequestSchema>,
): RealizeRequest {
  return present({
    workspaceId: request.workspaceId,
    companyId: request.companyId,
    projectId: request.projectId,
    projectWorkspaceId: request.projectWorkspaceId,
    name: request.name,
    baseCwd: request.baseCwd,
    source: workspaceSourceFromValue(request.source),
    repoUrl: request.repoUrl,
    repoRef: request.repoRef,
    issue: issueFromMessage(request.issue),
    agent: agentFromMessage(request.agent),
    runId: request.runId,
    leaseMode: leaseModeFromValue(request.leaseMode),
    leaseTtlMs: request.leaseTtl && msFromDuration(request.leaseTtl),
    strategy: strategyFromMessage(request.strategy),
    runtimeConfig: request.runtimeConfig && runtimeConfigFromMessage(request.runtimeConfig),
    labels: request.labels,
    commandEnv: request.commandEnv,
    noWait: request.noWait,
    actor: actorFromMessage(request.actor),
  });
}

export function realizedToMessage(
  result: RealizeResult,
): MessageShape<typeof RealizeWorkspaceResponseSchema> {
  return create(RealizeWorkspaceResponseSchema, {
    workspace: workspaceToMessage(result.workspace, result.created),
    operations: result.operations.map(operationToMessage),
    provisioned: result.provisioned,
    previousState: WorkspaceState[result.previousState ?? "UNSPECIFIED"],
    lease: result.lease && leaseToMessage(result.lease),
  });
}

function strategyFromMessage(
  strategy: MessageShape<typeof RealizeWorkspaceRequestSchema>["strategy"],
): RealizeRequest["strategy"] {
  switch (strategy.case) {
    case "projectPrimary":
      return { kind: "project_primary" };
    case "gitWorktree":
      return { kind: "git_worktree", gitWorktree: gitWorktreeFromMessage(strategy.value) };
    default:
      return undefined;
  }
}
