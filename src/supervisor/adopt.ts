import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { openCgroup } from "./cgroup.ts";
import { decidePid } from "./decide.ts";
import type { Exit } from "./exit-status.ts";
import { exitOf } from "./exit-status.ts";
import { findLive, isLocal } from "./identity.ts";
import { createInstance, type Instance, type InstanceContext } from "./instance.ts";
import {
  type InstanceRecord,
  readClaim,
  readExit,
  readInstanceRecord,
  removeSecrets,
  takeClaim,
} from "./instance-directory.ts";
import { markerOf } from "./marker.ts";
import { createPastInstance } from "./past-instance.ts";

export type Adoption =
  | { readonly kind: "living"; readonly instance: Instance }
  /** Stop the instance all the same: something of its tree may be left. */
  | { readonly kind: "ended"; readonly exit: Exit; readonly instance: Instance }
  /** And it never will be: this call has seen to that. */
  | { readonly kind: "never-started" }
  /** Not ours to judge, so nothing is touched: another installation's, or of a pid namespace that we cannot see. */
  | { readonly kind: "foreign"; readonly why: string };

/** Takes over what an earlier server left in `directory`. */
export async function adoptInstance(
  directory: string,
  installationId: string,
  context: InstanceContext,
): Promise<Adoption> {
  // Not even its directory had been made when the server that wanted it ended.
  if (!existsSync(directory)) return { kind: "never-started" };
  const record = await readInstanceRecord(directory);
  if (record === undefined) {
    // Written before the shim is spawned: without it there was no shim. The claim keeps it so.
    return takeClaim(directory, "claim") || readClaim(directory, "claim").kind === "server"
      ? neverStarted(directory)
      : { kind: "foreign", why: "claimed by a process, but without an instance record" };
  }
  if (record.installationId !== installationId) {
    return { kind: "foreign", why: `of installation ${record.installationId}` };
  }
  if (record.bootId !== context.platform.bootId) return adoptFromEarlierBoot(directory, record);
  if (!isLocal(record, context.platform) || !context.platform.proc) {
    return adoptOutOfSight(directory, record);
  }
  if (takeClaim(directory, "claim") || readClaim(directory, "claim").kind === "server") {
    return neverStarted(directory, record);
  }
  return adoptClaimed(directory, record, context);
}

/** Time for a shim that is just starting, or just recording an exit, to get that done. */
const SHIM_MS = 5000;

async function adoptClaimed(
  directory: string,
  record: InstanceRecord,
  context: InstanceContext,
): Promise<Adoption> {
  const claim = readClaim(directory, "claim");
  const shim =
    claim.kind === "process"
      ? { pid: claim.process.pid, startTime: claim.process.startTime }
      : undefined;
  const until = context.clock.monotonic() + SHIM_MS;
  const shimMayAct = () =>
    shim !== undefined && findLive(shim) !== undefined && context.clock.monotonic() < until;

  // A living shim that has no exit to show is on its way to `pid`.
  while (
    readClaim(directory, "pid").kind !== "process" &&
    readExit(directory) === undefined &&
    shimMayAct()
  ) {
    await briefly();
  }
  const pid = await decidePid(
    directory,
    markerOf(record.installationId, record.instanceId),
    context,
  );
  if (pid === undefined) return neverStarted(directory, record);

  const main = { pid: pid.process.pid, startTime: pid.process.startTime };
  while (findLive(main) === undefined && readExit(directory) === undefined && shimMayAct()) {
    await briefly();
  }
  const instance = await createInstance(
    { directory, record, main, shim, startTime: pid.time },
    context,
  );
  if (readExit(directory) === undefined && (findLive(main) !== undefined || shimMayAct())) {
    return { kind: "living", instance };
  }
  instance.look();
  return { kind: "ended", exit: await instance.exited, instance };
}

/** All processes of that boot are gone; the boot id says so before any number is looked at. */
async function adoptFromEarlierBoot(directory: string, record: InstanceRecord): Promise<Adoption> {
  const pid = readClaim(directory, "pid");
  if (pid.kind !== "process") return neverStarted(directory);
  const recorded = readExit(directory);
  const exit: Exit =
    recorded === undefined
      ? { exitTime: lastWrite(record, pid.time), lost: true }
      : exitOf(recorded);
  await removeSecrets(directory);
  const instance = createPastInstance({ directory, record, pid, exit });
  return { kind: "ended", exit, instance };
}

/** Its numbers mean nothing here: only a recorded end can be believed. */
async function adoptOutOfSight(directory: string, record: InstanceRecord): Promise<Adoption> {
  const pid = readClaim(directory, "pid");
  const recorded = readExit(directory);
  if (recorded !== undefined && pid.kind === "process") {
    const exit = exitOf(recorded);
    return { kind: "ended", exit, instance: createPastInstance({ directory, record, pid, exit }) };
  }
  const why =
    record.pidNamespace === ""
      ? "this platform cannot tell whether it is still the same process"
      : `started in another pid namespace (${record.pidNamespace})`;
  return { kind: "foreign", why };
}

async function neverStarted(directory: string, record?: InstanceRecord): Promise<Adoption> {
  if (record !== undefined && record.cgroup !== "") openCgroup(record.cgroup).remove();
  await removeSecrets(directory);
  return { kind: "never-started" };
}

/** The best guess at when a host went down: the last byte of either log. */
function lastWrite(record: InstanceRecord, started: number): number {
  const times = ["stdout.log", "stderr.log"].flatMap((name) => {
    const stat = statSync(join(record.logsDirectory, name), { throwIfNoEntry: false });
    return stat === undefined ? [] : [stat.mtimeMs];
  });
  return Math.max(started, ...times);
}

function briefly(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
