import { invalidField } from "../errors.ts";
import type { ServiceSpec } from "../model/service-spec.ts";
import type { RuntimeConfig } from "../model/workspace.ts";
import type { Store } from "../store/store.ts";
import { withDependencies } from "./dependencies.ts";
import { projectOf } from "./project-of.ts";
import { nameOf } from "./service-name.ts";
import { isWorkspace, type ServiceHome } from "./service-place.ts";

/**
 * The services that a home is configured to run (a workspace without a configuration: those of its
 * project workspace), narrowed to the names asked for (none: all) and what they depend on.
 * @throws RuntimeError INVALID_FIELD for a name that the config does not have
 */
export async function configuredSpecs(
  store: Store,
  home: ServiceHome,
  names: readonly string[],
): Promise<{ specs: readonly ServiceSpec[]; field: string }> {
  const all = (await runtimeConfig(store, home))?.services ?? [];
  const known = all.map(nameOf);
  for (const [index, name] of names.entries()) {
    if (known.includes(name)) continue;
    throw invalidField(
      `service_names[${index}]`,
      `the ${isWorkspace(home) ? "workspace" : "project workspace"} has no service "${name}" (it has: ${known.join(", ") || "none"})`,
    );
  }
  return {
    specs: names.length === 0 ? all : withDependencies(all, names),
    field: "runtime_config.services",
  };
}

async function runtimeConfig(store: Store, home: ServiceHome): Promise<RuntimeConfig | undefined> {
  if (home.runtimeConfig !== undefined || !isWorkspace(home)) return home.runtimeConfig;
  return (await projectOf(store, home))?.runtimeConfig;
}
