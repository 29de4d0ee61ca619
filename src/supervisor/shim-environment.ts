import type { InstanceRecord } from "./instance-directory.ts";
import { markerOf, SHIM_VARIABLE } from "./marker.ts";

/** All that the shim and its writers have: tools to find and where to write. Nothing of the server's own, no secret. */
export function shimEnvironment(
  record: InstanceRecord,
  { shell, stdin }: { readonly shell: string; readonly stdin: "OPEN" | "NULL" },
): Record<string, string> {
  return {
    PATH: [process.env.PATH, STANDARD_PATH].filter(Boolean).join(":"),
    LC_ALL: "C",
    [SHIM_VARIABLE]: markerOf(record.installationId, record.instanceId),
    WORKSPACE_RUNTIME_SH: shell,
    WORKSPACE_RUNTIME_LOGS: record.logsDirectory,
    WORKSPACE_RUNTIME_STDIN: stdin,
    WORKSPACE_RUNTIME_CGROUP: record.cgroup,
    WORKSPACE_RUNTIME_SUBREAPER: record.subreaper ? "1" : "",
  };
}

const STANDARD_PATH = "/usr/local/bin:/usr/bin:/bin";
