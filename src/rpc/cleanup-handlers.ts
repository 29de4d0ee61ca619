import { create } from "@bufbuild/protobuf";
import {
  CleanupWorkspaceRequestSchema,
  DeleteRescueRequestSchema,
  DeleteRescueResponseSchema,
  ListRescuesRequestSchema,
  ListRescuesResponseSchema,
  RestoreWorkspaceRequestSchema,
  RestoreWorkspaceResponseSchema,
} from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import type { Workspaces } from "../workspaces/workspaces.ts";
import { actorFromMessage } from "./convert/actor.ts";
import { cleanupToMessage, dirtyPolicyFromValue, rescueToMessage } from "./convert/cleanup.ts";
import { operationToMessage } from "./convert/operation.ts";
import { present } from "./convert/present.ts";
import { workspaceToMessage } from "./convert/workspace.ts";
import type { Handlers } from "./handlers.ts";
import { type CursorAt, pageFields, pageRequest } from "./pages.ts";
import { validateRequest } from "./validate.ts";

type CleanupHandlers = Pick<
  Handlers,
  "cleanupWorkspace" | "restoreWorkspace" | "listRescues" | "deleteRescue"
>;

export function createCleanupHandlers(workspaces: Workspaces, cursorAt: CursorAt): CleanupHandlers {
  return {
    async cleanupWorkspace(request, { signal }) {
      validateRequest(CleanupWorkspaceRequestSchema, request, ["workspace_id"]);
      const result = await workspaces.cleanup(
        present({
          workspaceId: request.workspaceId,
          onDirty: dirtyPolicyFromValue(request.onDirty),
          force: request.force,
          dryRun: request.dryRun,
          cleanupCommand: request.cleanupCommand,
          teardownCommand: request.teardownCommand,
          commandEnv: request.commandEnv,
          expectedRevision: Number(request.expectedRevision),
          actor: actorFromMessage(request.actor),
        }),
        signal,
      );
      return cleanupToMessage(result);
    },

    async restoreWorkspace(request, { signal }) {
      validateRequest(RestoreWorkspaceRequestSchema, request, ["workspace_id"]);
      const result = await workspaces.restore(
        present({
          workspaceId: request.workspaceId,
          expectedRevision: Number(request.expectedRevision),
          commandEnv: request.commandEnv,
          noWait: request.noWait,
          actor: actorFromMessage(request.actor),
        }),
        signal,
      );
      return create(RestoreWorkspaceResponseSchema, {
        workspace: workspaceToMessage(result.workspace, result.created),
        operations: result.operations.map(operationToMessage),
        provisioned: result.provisioned,
      });
    },

    async listRescues(request) {
      validateRequest(ListRescuesRequestSchema, request);
      const { companyId, workspaceId } = request;
      const page = await workspaces.listRescues({ companyId, workspaceId }, pageRequest(request));
      return create(ListRescuesResponseSchema, {
        rescues: page.items.map(rescueToMessage),
        ...pageFields(page, cursorAt),
      });
    },

    async deleteRescue(request, { signal }) {
      validateRequest(DeleteRescueRequestSchema, request, ["ref", "workspace_id"]);
      const rescue = await workspaces.deleteRescue(
        present({
          ref: request.ref,
          workspaceId: request.workspaceId,
          expectedCommit: request.expectedCommit,
          actor: actorFromMessage(request.actor),
        }),
        signal,
      );
      return create(DeleteRescueResponseSchema, { rescue: rescueToMessage(rescue) });
    },
  };
}
