/**
 * The variable that every process of a service inherits: `<installation id>.<instance id>`. Evidence that a process
 * belongs to an instance; its absence says nothing (`env -i`, `su -`, tools that scrub their children's environment).
 */
export const MARKER_VARIABLE = "WORKSPACE_RUNTIME_MARKER";

/** The same text in the environment of the shim and its writers, which are nobody's service. */
export const SHIM_VARIABLE = "WORKSPACE_RUNTIME_SHIM";

export function markerOf(installationId: string, instanceId: string): string {
  return `${installationId}.${instanceId}`;
}

/** The instance that a marker names, if it is one of this installation's. */
export function instanceOf(marker: string | undefined, installationId: string): string | undefined {
  const prefix = markerOf(installationId, "");
  return marker?.startsWith(prefix) ? marker.slice(prefix.length) : undefined;
}
