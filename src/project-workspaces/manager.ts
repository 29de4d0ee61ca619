import { isAbsolute, resolve } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { type FieldViolation, RuntimeError } from "../errors.ts";
import type { ProjectWorkspace } from "../model/project-workspace.ts";
import { validateSpecs } from "../services/validate-spec.ts";
import type { Store, StoreQueries } from "../store/store.ts";
import type { AllowedRoots } from "../workspaces/allowed-roots.ts";
import { refuseStale } from "../workspaces/expected-revision.ts";
import type { ProjectWorkspaces, PutRequest } from "./project-workspaces.ts";
import { refuseUsed } from "./usage.ts";

export interface ProjectWorkspacesOptions {
  readonly store: Store;
  readonly allowedRoots: AllowedRoots;
}

export function createProjectWorkspaces(options: ProjectWorkspacesOptions): ProjectWorkspaces {
  const { store, allowedRoots } = options;
  return {
    async put({ projectWorkspace, expectedRevision }) {
      validate(projectWorkspace);
      await allowedRoots.resolve(projectWorkspace.cwd);
      const projectWorkspaceId = projectWorkspace.projectWorkspaceId || uuidv7();
      const wanted = {
        ...projectWorkspace,
        projectWorkspaceId,
        cwd: resolve(projectWorkspace.cwd),
      };
      return await store.transaction(async (tx) => {
        const stored = await tx.projectWorkspaces.get(projectWorkspaceId);
        refuseStale(expectedRevision, stored);
        if (stored !== undefined) return await replace(tx, stored, wanted);
        return (await tx.projectWorkspaces.insert(wanted)).record;
      });
    },
    async get(projectWorkspaceId) {
      const found = await store.projectWorkspaces.get(projectWorkspaceId);
      if (found === undefined) throw notFound(projectWorkspaceId);
      return found;
    },
    list: (filter, page) => store.projectWorkspaces.list(filter, page),
    async delete(projectWorkspaceId, expectedRevision) {
      await store.transaction(async (tx) => {
        const stored = await tx.projectWorkspaces.get(projectWorkspaceId);
        if (stored === undefined) throw notFound(projectWorkspaceId);
        refuseStale(expectedRevision, stored);
        await refuseUsed(tx, stored);
        await tx.ports.releaseScope(stored.companyId, projectWorkspaceId);
        await tx.projectWorkspaces.delete(projectWorkspaceId);
      });
    },
  };
}

async function replace(
  tx: StoreQueries,
  stored: ProjectWorkspace,
  wanted: PutRequest["projectWorkspace"],
): Promise<ProjectWorkspace> {
  const { projectWorkspaceId, companyId, ...content } = wanted;
  if (companyId !== stored.companyId) {
    const message = `project workspace "${projectWorkspaceId}" is another company's`;
    throw new RuntimeError("WORKSPACE_CONFLICT", message, {
      metadata: { project_workspace_id: projectWorkspaceId, field: "company_id" },
    });
  }
  const updated = await tx.projectWorkspaces.update(projectWorkspaceId, {
    ...content,
    runtimeConfig: content.runtimeConfig,
    desiredState: content.desiredState ?? stored.desiredState,
  });
  return updated ?? stored;
}

function validate({ companyId, cwd, runtimeConfig }: PutRequest["projectWorkspace"]): void {
  const violations: FieldViolation[] = [];
  const refuse = (field: string, description: string) =>
    violations.push({ field: `project_workspace.${field}`, description });
  if (companyId === "") refuse("company_id", "is required");
  if (cwd === "") refuse("cwd", "is required");
  else if (!isAbsolute(cwd)) refuse("cwd", "must be an absolute path");
  else if (cwd.includes("\0")) refuse("cwd", "must not hold NUL");
  if (violations.length > 0) {
    const told = violations.map(({ field, description }) => `${field}: ${description}`);
    throw new RuntimeError("INVALID_FIELD", told.join("; "), { violations });
  }
  validateSpecs(runtimeConfig?.services ?? [], "project_workspace.runtime_config.services");
}

function notFound(projectWorkspaceId: string): RuntimeError {
  const message = `there is no project workspace "${projectWorkspaceId}"`;
  return new RuntimeError("PROJECT_WORKSPACE_NOT_FOUND", message, {
    metadata: { project_workspace_id: projectWorkspaceId },
  });
}
