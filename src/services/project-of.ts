import type { ProjectWorkspace } from "../model/project-workspace.ts";
import type { Store } from "../store/store.ts";

/**
 * The project workspace that a workspace or a service names, if it is here. A foreign id is a label:
 * another company's project of that id is not this one.
 */
export async function projectOf(
  store: Pick<Store, "projectWorkspaces">,
  subject: { readonly projectWorkspaceId: string; readonly companyId: string },
): Promise<ProjectWorkspace | undefined> {
  if (subject.projectWorkspaceId === "") return undefined;
  const project = await store.projectWorkspaces.get(subject.projectWorkspaceId);
  return project?.companyId === subject.companyId ? project : undefined;
}
