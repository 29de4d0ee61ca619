import { invalidField } from "../errors.ts";
import type { ServiceSpec } from "../model/service-spec.ts";
import type { RuntimeConfig } from "../model/workspace.ts";
import type { Store } from "../store/store.ts";
import { projectOf } from "./project-of.ts";
import { isWorkspace, type ServiceHome } from "./service-place.ts";
import { DEFAULT_NAME } from "./validate-spec.ts";

/**
 * The services that a home is configured to run (a workspace without a configuration: those of its
 * project workspace), narrowed to the names asked for (none: all).
 * @throws RuntimeError INVALID_FIELD for a name that the config does not have
 */
export async function configuredSpecs(
  store: Store,
  home: ServiceHome,
  names: readonly string[],
): Promise<{ specs: readonly ServiceSpec[]; field: string }> {
  const all = (await runtimeConfig(store, home))?.services ?? [];
  const nameOf = (spec: ServiceSpec) => spec.name || DEFAULT_NAME;
  const known = all.map(nameOf);
  for (const [index, name] of names.entries()) {
    if (known.includes(name)) continue;
    throw invalidField(
      `service_names[${index}]`,
      `the ${isWorkspace(home) ? "workspace" : "project workspace"} has no service "${name}" (it has: ${known.join(", ") || "none"})`,
    );
  }
  return {
    specs: names.length === 0 ? all : all.filter((spec) => names.includes(nameOf(spec))),
    field: "runtime_config.services",
  };
}

async function runtimeConfig(store: Store, home: ServiceHome): Promise<RuntimeConfig | undefined> {
  if (home.runtimeConfig !== undefined || !isWorkspace(home)) return home.runtimeConfig;
  return (await projectOf(store, home))?.runtimeConfig;
}
