import { create, type MessageShape } from "@bufbuild/protobuf";
import { ProjectWorkspaceSchema } from "../../../gen/workspace/runtime/v1/project_workspace_pb.ts";
import { DesiredState } from "../../../gen/workspace/runtime/v1/service_pb.ts";
import type { ProjectWorkspace } from "../../model/project-workspace.ts";
import { present } from "./present.ts";
import { runtimeConfigFromMessage, runtimeConfigToMessage } from "./service-spec.ts";
import { timestampOrAbsent } from "./time.ts";
import {
  desiredStateFromValue,
  desiredStatesFromMessage,
  desiredStatesToMessage,
} from "./workspace.ts";

/** What a caller may write of it. */
export function projectWorkspaceFromMessage(
  message: MessageShape<typeof ProjectWorkspaceSchema>,
): Omit<ProjectWorkspace, "createTime" | "updateTime" | "revision"> {
  return present({
    projectWorkspaceId: message.projectWorkspaceId,
    companyId: message.companyId,
    projectId: message.projectId,
    name: message.name,
    cwd: message.cwd,
    repoUrl: message.repoUrl,
    repoRef: message.repoRef,
    cleanupCommand: message.cleanupCommand,
    runtimeConfig: message.runtimeConfig && runtimeConfigFromMessage(message.runtimeConfig),
    desiredState: desiredStateFromValue(message.desiredState),
    serviceStates: desiredStatesFromMessage(message.serviceStates),
    labels: message.labels,
  });
}

export function projectWorkspaceToMessage(
  workspace: ProjectWorkspace,
): MessageShape<typeof ProjectWorkspaceSchema> {
  return create(ProjectWorkspaceSchema, {
    projectWorkspaceId: workspace.projectWorkspaceId,
    companyId: workspace.companyId,
    projectId: workspace.projectId,
    name: workspace.name,
    cwd: workspace.cwd,
    repoUrl: workspace.repoUrl,
    repoRef: workspace.repoRef,
    cleanupCommand: workspace.cleanupCommand,
    runtimeConfig: workspace.runtimeConfig && runtimeConfigToMessage(workspace.runtimeConfig),
    desiredState: DesiredState[workspace.desiredState ?? "UNSPECIFIED"],
    serviceStates: desiredStatesToMessage(workspace.serviceStates),
    labels: { ...workspace.labels },
    createTime: timestampOrAbsent(workspace.createTime),
    updateTime: timestampOrAbsent(workspace.updateTime),
    revision: BigInt(workspace.revision),
  });
}
