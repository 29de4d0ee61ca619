import { instanceOf } from "../supervisor/marker.ts";
import { readMarkers } from "../supervisor/process-table.ts";

/** The service that a process says it belongs to: enough to name it to its company, not to act upon it. */
export function serviceOfProcess(pid: number, installationId: string): string | undefined {
  return instanceOf(readMarkers(pid).marker, installationId)?.replace(/-\d+$/, "");
}
