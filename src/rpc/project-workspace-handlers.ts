import { create } from "@bufbuild/protobuf";
import {
  DeleteProjectWorkspaceRequestSchema,
  DeleteProjectWorkspaceResponseSchema,
  GetProjectWorkspaceRequestSchema,
  GetProjectWorkspaceResponseSchema,
  ListProjectWorkspacesRequestSchema,
  ListProjectWorkspacesResponseSchema,
  ProjectWorkspaceSchema,
  PutProjectWorkspaceRequestSchema,
  PutProjectWorkspaceResponseSchema,
} from "../../gen/workspace/runtime/v1/project_workspace_pb.ts";
import type { ProjectWorkspaces } from "../project-workspaces/project-workspaces.ts";
import {
  projectWorkspaceFromMessage,
  projectWorkspaceToMessage,
} from "./convert/project-workspace.ts";
import type { Handlers } from "./handlers.ts";
import { type CursorAt, pageFields, pageRequest } from "./pages.ts";
import { validateRequest } from "./validate.ts";

type ProjectWorkspaceHandlers = Pick<
  Handlers,
  "putProjectWorkspace" | "getProjectWorkspace" | "listProjectWorkspaces" | "deleteProjectWorkspace"
>;

export function createProjectWorkspaceHandlers(
  projectWorkspaces: ProjectWorkspaces,
  cursorAt: CursorAt,
): ProjectWorkspaceHandlers {
  return {
    async putProjectWorkspace(request) {
      validateRequest(PutProjectWorkspaceRequestSchema, request, ["project_workspace"]);
      const projectWorkspace = await projectWorkspaces.put({
        projectWorkspace: projectWorkspaceFromMessage(
          request.projectWorkspace ?? create(ProjectWorkspaceSchema),
        ),
        expectedRevision: Number(request.expectedRevision),
      });
      return create(PutProjectWorkspaceResponseSchema, {
        projectWorkspace: projectWorkspaceToMessage(projectWorkspace),
      });
    },

    async getProjectWorkspace(request) {
      validateRequest(GetProjectWorkspaceRequestSchema, request, ["project_workspace_id"]);
      const projectWorkspace = await projectWorkspaces.get(request.projectWorkspaceId);
      return create(GetProjectWorkspaceResponseSchema, {
        projectWorkspace: projectWorkspaceToMessage(projectWorkspace),
      });
    },

    async listProjectWorkspaces(request) {
      validateRequest(ListProjectWorkspacesRequestSchema, request);
      const { companyId, projectId, labels } = request;
      const page = await projectWorkspaces.list(
        { companyId, projectId, labels },
        pageRequest(request),
      );
      return create(ListProjectWorkspacesResponseSchema, {
        projectWorkspaces: page.items.map(projectWorkspaceToMessage),
        ...pageFields(page, cursorAt),
      });
    },

    async deleteProjectWorkspace(request) {
      validateRequest(DeleteProjectWorkspaceRequestSchema, request, ["project_workspace_id"]);
      await projectWorkspaces.delete(request.projectWorkspaceId, Number(request.expectedRevision));
      return create(DeleteProjectWorkspaceResponseSchema);
    },
  };
}
