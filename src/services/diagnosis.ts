import { maskSecrets } from "../environment/secrets.ts";
import type { Log } from "../logs/log.ts";
import type { Diagnosis } from "../model/service.ts";
import type { Instance } from "../supervisor/instance.ts";
import { findPortOwners, listeningPorts } from "../supervisor/listeners.ts";
import { outputTail } from "./output-tail.ts";
import type { FailedAttempt } from "./readiness/attempt.ts";
import { within } from "./within.ts";

/** Where to look for what was wrong. */
export interface Evidence {
  readonly openLog: () => Promise<Log>;
  /** Undefined: nothing was started. */
  readonly instance: Instance | undefined;
  /** The port that it should have; undefined: none. */
  readonly port: number | undefined;
  /** Whose secret values are blotted out of what is told. */
  readonly env: Readonly<Record<string, string>>;
  /** How long to look for ports and their owners. Default 2 s. */
  readonly lookMs?: number;
}

/** A host may have thousands of processes to look into; what takes longer is left out of the answer. */
const LOOK_MS = 2_000;

/** What a person needs to see why a check failed: its words, its ports, and who has the port it should have. */
export async function diagnose(
  found: Pick<FailedAttempt, "error" | "ownerPid"> & { readonly reason: string },
  { openLog, instance, port, env, lookMs = LOOK_MS }: Evidence,
): Promise<Diagnosis> {
  const [tail, ports = [], owner] = await Promise.all([
    outputTail(openLog, env),
    instance && within(lookMs, portsOf(instance)),
    found.ownerPid ?? within(lookMs, ownerOf(port)),
  ]);
  return {
    reason: found.reason,
    ...(found.error === "" ? {} : { lastProbeError: maskSecrets(found.error, env) }),
    ...(tail === "" ? {} : { outputTail: tail }),
    ...(ports.length === 0 ? {} : { listeningPorts: ports }),
    ...(owner === undefined ? {} : { portOwnerPid: owner }),
  };
}

/** That something cannot be found out is no reason to tell nothing. */
async function portsOf(instance: Instance): Promise<readonly number[]> {
  try {
    return await listeningPorts((await instance.members()).map(({ pid }) => pid));
  } catch {
    return [];
  }
}

async function ownerOf(port: number | undefined): Promise<number | undefined> {
  if (port === undefined) return undefined;
  try {
    return (await findPortOwners([port])).flatMap(({ pids }) => pids)[0];
  } catch {
    return undefined;
  }
}
