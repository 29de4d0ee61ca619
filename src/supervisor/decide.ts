import type { Clock } from "../clock.ts";
import { RuntimeError } from "../errors.ts";
import { type ClaimState, readClaim, takeClaim } from "./instance-directory.ts";
import { isLive } from "./process-stat.ts";
import type { ProcessTables } from "./process-table.ts";
import { signalProcess } from "./signal.ts";

/**
 * Decides now and for ever whether the main process was started, by the file `pid`: its record, or undefined, and then
 * it never will be. Whoever makes the file first has decided; no scan does.
 */
export async function decidePid(
  directory: string,
  marker: string,
  { tables, clock }: { readonly tables: ProcessTables; readonly clock: Clock },
): Promise<Extract<ClaimState, { kind: "process" }> | undefined> {
  let pid = readClaim(directory, "pid");
  if (pid.kind === "absent" && takeClaim(directory, "pid")) return undefined;
  const until = clock.monotonic() + FILLED_MS;
  for (;;) {
    pid = readClaim(directory, "pid");
    if (pid.kind === "process") return pid;
    if (pid.kind === "server") return undefined;
    if (clock.monotonic() > until) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const killUntil = clock.monotonic() + KILLED_MS;
  // Made and not filled: its maker died there, found no space, or hangs there. It must not go on from there.
  for (;;) {
    const alive = (await tables.pass(0)).shimsOf(marker).filter(isLive);
    if (alive.length === 0) break;
    if (clock.monotonic() > killUntil) {
      throw new RuntimeError("INTERNAL", `process ${alive[0]?.pid} cannot be killed`);
    }
    for (const row of alive) signalProcess(row, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  pid = readClaim(directory, "pid");
  return pid.kind === "process" ? pid : undefined;
}

/** The text follows the making of the file in the next system call. */
const FILLED_MS = 1000;
const KILLED_MS = 5000;
