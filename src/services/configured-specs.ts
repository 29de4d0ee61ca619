import { invalidField } from "../errors.ts";
import type { ServiceSpec } from "../model/service-spec.ts";
import type { Workspace } from "../model/workspace.ts";
import { DEFAULT_NAME } from "./validate-spec.ts";

/**
 * The workspace's own services, narrowed to the names asked for (none: all).
 * @throws RuntimeError INVALID_FIELD for a name that the config does not have
 */
export function configuredSpecs(
  workspace: Workspace,
  names: readonly string[],
): { specs: readonly ServiceSpec[]; field: string } {
  const all = workspace.runtimeConfig?.services ?? [];
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
