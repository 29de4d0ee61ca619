import { create, type MessageShape } from "@bufbuild/protobuf";
import { ProjectWorkspaceSchema } from "../../../gen/workspace/runtime/v1/project_workspace_pb.ts";
import { DesiredState } from "../../../gen/workspace/runtime/v1/service_pb.ts";
import type { ProjectWorkspace } from "../../model/project-workspace.ts";
import { runtimeConfigToMessage } from "./service-spec.ts";
import { timestampOrAbsent } from "./time.ts";
import { desiredStatesToMessage } from "./workspace.ts";

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
