import type { ServiceSpec } from "../model/service-spec.ts";

export const DEFAULT_NAME = "service";

/** What a service is called in a call, in a config and in lists. */
export function nameOf(spec: ServiceSpec): string {
  return spec.name || DEFAULT_NAME;
}
