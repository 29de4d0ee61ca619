import { invalidField } from "../errors.ts";
import type { ServiceSpec } from "../model/service-spec.ts";
import type { RuntimeConfig, Workspace } from "../model/workspace.ts";
import type { Store } from "../store/store.ts";
import { DEFAULT_NAME } from "./validate-spec.ts";

/**
 * The workspace's services, else those of its project workspace, narrowed to the names asked for
 * (none: all).
 * @throws RuntimeError INVALID_FIELD for a name that the config does not have
 */
export async function configuredSpecs(
  store: Store,
  workspace: Workspace,
  names: readonly string[],
): Promise<{ specs: readonly ServiceSpec[]; field: string }> {
  const all = (await runtimeConfig(store, workspace))?.services ?? [];
  const nameOf = (spec: ServiceSpec) => spec.name || DEFAULT_NAME;
  const known = all.map(nameOf);
  for (const [index, name] of names.entries()) {
    if (known.includes(name)) continue;
    throw invalidField(
      `service_names[${index}]`,
      `the workspace has no service "${name}" (it has: ${known.join(", ") || "none"})`,
    );
  }
  return {
    specs: names.length === 0 ? all : all.filter((spec) => names.includes(nameOf(spec))),
    field: "runtime_config.services",
  };
}

async function runtimeConfig(
  store: Store,
  workspace: Workspace,
): Promise<RuntimeConfig | undefined> {
  if (workspace.runtimeConfig !== undefined || workspace.projectWorkspaceId === "") {
    return workspace.runtimeConfig;
  }
  const project = await store.projectWorkspaces.get(workspace.projectWorkspaceId);
  // A foreign id is a label: another company's project of that id is not this one.
  return project?.companyId === workspace.companyId ? project.runtimeConfig : undefined;
}
