import { closeSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ProcessStat, parseProcessStat, readProcessStat } from "./process-stat.ts";

/**
 * What server and shim tell each other about one instance. The server writes INSTANCE, RUN and ENVIRONMENT before the
 * shim exists; the shim writes the rest (see shim.sh).
 */
export const FILES = {
  instance: "instance.json",
  run: "run",
  environment: "environment.json",
  shimLog: "shim.log",
  claim: "claim",
  pid: "pid",
  exit: "exit",
  drained: "drained",
} as const;

/** Everything about an instance that a later server must know and that is no secret. */
export interface InstanceRecord {
  readonly installationId: string;
  readonly instanceId: string;
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly logsDirectory: string;
  /** Absolute path of its own cgroup, "" for none. */
  readonly cgroup: string;
  readonly subreaper: boolean;
}

/** Makes the directory, which must not exist, and both logs, which may: an instance goes on where the last one ended. */
export async function createInstanceDirectory(
  directory: string,
  record: InstanceRecord,
  run: string,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  await mkdir(record.logsDirectory, { recursive: true, mode: 0o700 });
  await mkdir(join(directory, ".."), { recursive: true, mode: 0o700 });
  await mkdir(directory, { mode: 0o700 });
  const file = (name: string) => join(directory, name);
  await Promise.all([
    writeFile(file(FILES.instance), `${JSON.stringify(record)}\n`, { mode: 0o600 }),
    writeFile(file(FILES.run), run, { mode: 0o600 }),
    writeFile(file(FILES.environment), JSON.stringify(environment), { mode: 0o600 }),
    ...["stdout.log", "stderr.log"].map(async (name) =>
      (await open(join(record.logsDirectory, name), "a", 0o600)).close(),
    ),
  ]);
}

/** Undefined when it is missing or cut short: then the shim was never spawned. */
export async function readInstanceRecord(directory: string): Promise<InstanceRecord | undefined> {
  try {
    return JSON.parse(await readFile(join(directory, FILES.instance), "utf8")) as InstanceRecord;
  } catch {
    return undefined;
  }
}

/** Removes what holds the service's variables. */
export async function removeSecrets(directory: string): Promise<void> {
  await rm(join(directory, FILES.run), { force: true });
  await rm(join(directory, FILES.environment), { force: true });
}

/**
 * Takes `claim` or `pid` for the server. True: nothing was and nothing ever will be started by it. False: someone was
 * first, perhaps an earlier server: read it.
 */
export function takeClaim(directory: string, name: "claim" | "pid"): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(join(directory, name), "wx", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
  try {
    writeSync(descriptor, SERVERS_CLAIM);
  } catch {
    // No space for the text: that the file exists is what decides, and an empty one starts nothing.
  } finally {
    closeSync(descriptor);
  }
  return true;
}

export type ClaimState =
  | { readonly kind: "absent" }
  /** Made, and not (or not yet) filled: its maker is at it, or died there and went no further. */
  | { readonly kind: "empty" }
  | { readonly kind: "server" }
  | { readonly kind: "process"; readonly process: ProcessStat; readonly time: number };

export function readClaim(directory: string, name: "claim" | "pid"): ClaimState {
  const path = join(directory, name);
  const text = readText(path);
  if (text === undefined) return { kind: "absent" };
  if (text === SERVERS_CLAIM) return { kind: "server" };
  const process = parseProcessStat(text) ?? parseBarePid(text);
  return process === undefined
    ? { kind: "empty" }
    : { kind: "process", process, time: Math.round(statSync(path).mtimeMs) };
}

export interface ExitRecord {
  /** As a shell sees it: 128 + n for signal n. */
  readonly status: number;
  /** Epoch ms. */
  readonly time: number;
}

/** Undefined while it is blank: the main process lives, or its end went unseen. */
export function readExit(directory: string): ExitRecord | undefined {
  const path = join(directory, FILES.exit);
  const value = readRecord(path);
  if (value === undefined || !/^\d+$/.test(value)) return undefined;
  return { status: Number(value), time: Math.round(statSync(path).mtimeMs) };
}

/** Whether the logs have their last byte; `alone`: besides, the subreaper had no child left. */
export function readDrained(directory: string): { drained: boolean; alone: boolean } {
  const value = readRecord(join(directory, FILES.drained));
  return { drained: value !== undefined, alone: value === "1 alone" };
}

/** What the shim complained about, for a start that failed. */
export function readShimLog(directory: string): string {
  return (readText(join(directory, FILES.shimLog)) ?? "").trim().slice(-2000);
}

const SERVERS_CLAIM = "server\n";
const RECORD_BYTES = 32;

/** A record is overwritten in place: the full stop at its end says that the whole of it is there. */
function readRecord(path: string): string | undefined {
  const text = readText(path);
  return text?.length === RECORD_BYTES && text[RECORD_BYTES - 2] === "."
    ? text.slice(0, RECORD_BYTES - 2).trimEnd()
    : undefined;
}

/** Without /proc a process writes its bare number. */
function parseBarePid(text: string): ProcessStat | undefined {
  if (!/^\d+ \n$/.test(text)) return undefined;
  const pid = Number(text);
  return (
    readProcessStat(pid) ?? {
      pid,
      name: "",
      state: "",
      ppid: 0,
      group: pid,
      session: pid,
      startTime: 0,
      kernelThread: false,
    }
  );
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
