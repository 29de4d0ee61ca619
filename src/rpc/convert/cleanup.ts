import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  CleanupWorkspaceResponseSchema,
  CloseReadiness,
  DirtyPolicy,
  GitStateSchema,
  RescueSchema,
} from "../../../gen/workspace/runtime/v1/workspace_pb.ts";
import type { CleanupResult, GitState } from "../../workspaces/cleanup/cleanup-call.ts";
import type { Rescue } from "../../workspaces/rescue/rescue.ts";
import { enumReader } from "./enums.ts";
import { operationToMessage } from "./operation.ts";
import { serviceToMessage } from "./service.ts";
import { timestampOrAbsent } from "./time.ts";
import { workspaceToMessage } from "./workspace.ts";

export const dirtyPolicyFromValue = enumReader(DirtyPolicy);

export function cleanupToMessage(
  result: CleanupResult,
): MessageShape<typeof CleanupWorkspaceResponseSchema> {
  return create(CleanupWorkspaceResponseSchema, {
    cleanedPath: result.cleanedPath,
    cleaned: result.cleaned,
    warnings: [...result.warnings],
    plannedActions: result.plannedActions.map((action) => ({ ...action })),
    services: result.services.map((service) => serviceToMessage(service)),
    runIds: [...result.runIds],
    ready: CloseReadiness[result.ready],
    git: result.git && gitStateToMessage(result.git),
    rescueRef: result.rescueRef,
    operations: result.operations.map(operationToMessage),
    workspace: workspaceToMessage(result.workspace),
  });
}

function gitStateToMessage(state: GitState): MessageShape<typeof GitStateSchema> {
  const { branchName, dirtyFiles, untrackedFiles, ahead, behind, merged, isPrimary } = state;
  return create(GitStateSchema, {
    ...{ branchName, dirtyFiles, untrackedFiles, ahead, behind, merged, isPrimary },
  });
}

export function rescueToMessage(rescue: Rescue): MessageShape<typeof RescueSchema> {
  return create(RescueSchema, {
    workspaceId: rescue.workspaceId,
    ref: rescue.ref,
    commit: rescue.commit,
    companyId: rescue.companyId,
    repoRoot: rescue.repoRoot,
    branchName: rescue.branchName,
    baseCommit: rescue.baseCommit,
    changedFiles: rescue.changedFiles,
    createTime: timestampOrAbsent(rescue.createTime),
  });
}
