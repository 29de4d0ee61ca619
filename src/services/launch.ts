import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Service } from "../model/service.ts";
import type { ResourceLimits, ServiceCommand } from "../model/service-spec.ts";
import type { ProbeTarget } from "./readiness/probe-target.ts";

/** All that an instance is started with: rendered once, the same for each restart. */
export interface Launch {
  readonly command: ServiceCommand;
  readonly cwd: string;
  /** Complete: it holds secrets. */
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: "OPEN" | "NULL";
  /** The adapter's variables among `env`: to say which of them differ from another caller's. */
  readonly adapterEnv: Readonly<Record<string, string>>;
  readonly limits?: ResourceLimits;
  readonly target: ProbeTarget;
  /** Absent: only that the process lives. */
  readonly liveness?: ProbeTarget;
}

/** Makes what an instance is started with: waits for what must be there first, and gives it its ports. */
export type Prepare = (options: PrepareOptions) => Promise<Launch>;

export interface PrepareOptions {
  /** Ports on which somebody else listens by now. */
  readonly avoid: readonly number[];
  /** Aborts when the start is not wanted any more. */
  readonly signal: AbortSignal;
}

const FILE = "launch.json";

/** Beside the logs (0600), as long as the service lives: for its restarts, also by the next server. */
export async function keepLaunch(
  serviceDirectory: string,
  launch: Launch,
  service: Service,
): Promise<void> {
  const text = JSON.stringify({ ...launch, service });
  await writeFile(join(serviceDirectory, FILE), text, { mode: 0o600 });
}

/** The row as it was when its launch was kept: for a process that outlives even its row. */
export async function readKeptService(serviceDirectory: string): Promise<Service | undefined> {
  try {
    const kept = JSON.parse(await readFile(join(serviceDirectory, FILE), "utf8"));
    return (kept as { readonly service?: Service }).service;
  } catch {
    return undefined;
  }
}

/** Undefined when there is none, or none that can be read: then it can be stopped, but not restarted. */
export async function readLaunch(serviceDirectory: string): Promise<Launch | undefined> {
  try {
    const kept = JSON.parse(await readFile(join(serviceDirectory, FILE), "utf8")) as Launch;
    return {
      ...kept,
      adapterEnv: kept.adapterEnv ?? {},
      target: revive(kept.target),
      ...(kept.liveness === undefined ? {} : { liveness: revive(kept.liveness) }),
    };
  } catch {
    return undefined;
  }
}

export async function forgetLaunch(serviceDirectory: string): Promise<void> {
  await rm(join(serviceDirectory, FILE), { force: true });
}

/** A URL is text in JSON. */
function revive(target: ProbeTarget): ProbeTarget {
  if (target.kind !== "http") return target;
  // An earlier version's had no such field.
  return { ...target, expectJson: target.expectJson ?? {}, url: new URL(target.url) };
}
