import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  GetWorkspaceRequestSchema,
  GetWorkspaceResponseSchema,
  ImportWorkspaceRequestSchema,
  ImportWorkspaceResponseSchema,
  ListWorkspacesRequestSchema,
  ListWorkspacesResponseSchema,
  RealizeWorkspaceRequestSchema,
  UpdateWorkspaceRequestSchema,
  UpdateWorkspaceResponseSchema,
  WorkspaceSchema,
} from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { invalidField } from "../errors.ts";
import type { ImportedWorkspace, Workspaces } from "../workspaces/workspaces.ts";
import { actorFromMessage, agentFromMessage, issueFromMessage } from "./convert/actor.ts";
import { present } from "./convert/present.ts";
import { realizedToMessage, realizeFromMessage } from "./convert/realize.ts";
import { runtimeConfigFromMessage } from "./convert/service-spec.ts";
import {
  desiredStateFromValue,
  desiredStatesFromMessage,
  gitWorktreeFromMessage,
  workspaceSourceFromValue,
  workspaceStateFromValue,
  workspaceStatesFromValues,
  workspaceStrategyFromValue,
  workspaceToMessage,
} from "./convert/workspace.ts";
import { changesFromMessage } from "./convert/workspace-changes.ts";
import type { Handlers } from "./handlers.ts";
import { type CursorAt, pageFields, pageRequest } from "./pages.ts";
import { validateRequest } from "./validate.ts";

type WorkspaceHandlers = Pick<
  Handlers,
  "realizeWorkspace" | "importWorkspace" | "getWorkspace" | "listWorkspaces" | "updateWorkspace"
>;

export function createWorkspaceHandlers(
  workspaces: Workspaces,
  cursorAt: CursorAt,
): WorkspaceHandlers {
  return {
    async realizeWorkspace(request, { signal }) {
      validateRequest(RealizeWorkspaceRequestSchema, request);
      const result = await workspaces.realize(realizeFromMessage(request), signal);
      return realizedToMessage(result);
    },

    async importWorkspace(request, { signal }) {
      validateRequest(ImportWorkspaceRequestSchema, request, ["workspace"]);
      const workspace = await workspaces.import(
        present({
          workspace: importedFromMessage(request.workspace ?? create(WorkspaceSchema)),
          dryRun: request.dryRun,
          actor: actorFromMessage(request.actor),
        }),
        signal,
      );
      return create(ImportWorkspaceResponseSchema, { workspace: workspaceToMessage(workspace) });
    },

    async getWorkspace(request) {
      validateRequest(GetWorkspaceRequestSchema, request, ["workspace_id"]);
      const workspace = await workspaces.get(request.workspaceId);
      return create(GetWorkspaceResponseSchema, { workspace: workspaceToMessage(workspace) });
    },

    async listWorkspaces(request) {
      validateRequest(ListWorkspacesRequestSchema, request);
      const page = await workspaces.list(
        {
          companyId: request.companyId,
          projectId: request.projectId,
          projectWorkspaceIds: request.projectWorkspaceIds,
          issueIds: request.issueIds,
          states: workspaceStatesFromValues(request.states),
          labels: request.labels,
        },
        pageRequest(request),
      );
      return create(ListWorkspacesResponseSchema, {
        workspaces: page.items.map((workspace) => workspaceToMessage(workspace)),
        ...pageFields(page, cursorAt),
      });
    },

    async updateWorkspace(request, { signal }) {
      validateRequest(UpdateWorkspaceRequestSchema, request, ["workspace", "update_mask"]);
      const workspaceId = request.workspace?.workspaceId ?? "";
      if (workspaceId === "") throw invalidField("workspace.workspace_id", "is required");
      const workspace = await workspaces.update(
        present({
          workspaceId,
          changes: changesFromMessage(request),
          expectedRevision: Number(request.expectedRevision),
          actor: actorFromMessage(request.actor),
        }),
        signal,
      );
      return create(UpdateWorkspaceResponseSchema, { workspace: workspaceToMessage(workspace) });
    },
  };
}

function importedFromMessage(message: MessageShape<typeof WorkspaceSchema>): ImportedWorkspace {
  return present({
    workspaceId: message.workspaceId,
    companyId: message.companyId,
    projectId: message.projectId,
    projectWorkspaceId: message.projectWorkspaceId,
    name: message.name,
    issue: issueFromMessage(message.issue),
    agent: agentFromMessage(message.agent),
    source: workspaceSourceFromValue(message.source),
    strategy: workspaceStrategyFromValue(message.strategy),
    state: workspaceStateFromValue(message.state),
    baseCwd: message.baseCwd,
    cwd: message.cwd,
    worktreePath: message.worktreePath,
    branchName: message.branchName,
    repoUrl: message.repoUrl,
    repoRef: message.repoRef,
    baseRef: message.baseRef,
    directoryCreated: message.directoryCreated,
    branchCreated: message.branchCreated,
    gitWorktree: message.gitWorktree && gitWorktreeFromMessage(message.gitWorktree),
    runtimeConfig: message.runtimeConfig && runtimeConfigFromMessage(message.runtimeConfig),
    desiredState: desiredStateFromValue(message.desiredState),
    serviceStates: desiredStatesFromMessage(message.serviceStates),
    labels: message.labels,
  });
}
