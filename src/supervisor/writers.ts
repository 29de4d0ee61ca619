import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { findLive, isTaken, type LocalProcess } from "./identity.ts";
import type { InstanceContext } from "./instance.ts";
import { FILES, type InstanceRecord } from "./instance-directory.ts";
import { isLive } from "./process-stat.ts";
import type { ProcessTable, TableRow } from "./process-table.ts";
import { shimEnvironment } from "./shim-environment.ts";
import { signalGroupOf, signalProcess } from "./signal.ts";
import type { Tree } from "./tree.ts";

/** Whose writers are looked after. */
export interface Writers {
  readonly directory: string;
  readonly record: InstanceRecord;
  readonly shim: LocalProcess;
  readonly tree: Tree;
}

export interface WriterGuard {
  /** Until the returned function is called. */
  guard(writers: Writers): () => void;
  close(): void;
}

type GuardContext = Pick<InstanceContext, "clock" | "tables" | "shimPath" | "shell" | "warn">;

/**
 * Puts a writer in the place of one that was killed together with its loop: until then its service waits as soon as a
 * pipe is full. The shim itself finishes that work only at the service's end. One pass over /proc serves all instances.
 */
export function createWriterGuard(context: GuardContext, everyMs: number): WriterGuard {
  /** With the time from which on their writers must have come up. */
  const guarded = new Map<Writers, number>();
  /** Who was found to read each pipe: as long as these live, nobody has to be searched for. */
  const known = new Map<Writers, readonly LocalProcess[]>();
  let closed = false;
  let rounds = 0;
  const round = async () => {
    const now = context.clock.monotonic();
    rounds += 1;
    const isThere = rounds % ROUNDS_A_LOOK === 0 ? isLiving : hasItsNumber;
    const doubtful = [...guarded].flatMap(([writers, due]) =>
      due > now || isComplete(known.get(writers), isThere) ? [] : [writers],
    );
    if (doubtful.length === 0) return;
    const since = Math.min(...doubtful.map(({ shim }) => shim.startTime));
    const table = await context.tables.pass(since);
    for (const writers of doubtful) {
      if (!closed && guarded.has(writers)) known.set(writers, repair(writers, table, context));
    }
  };
  const schedule = (): (() => void) =>
    context.clock.schedule(everyMs, () => {
      round()
        .catch((error) => context.warn("writers not looked after", { error }))
        .finally(() => {
          if (!closed) cancel = schedule();
        });
    });
  let cancel = schedule();
  return {
    guard(writers) {
      guarded.set(writers, context.clock.monotonic() + everyMs);
      return () => {
        guarded.delete(writers);
        known.delete(writers);
      };
    },
    close() {
      closed = true;
      cancel();
    },
  };
}

const STREAMS = [
  ["stdout", "out", 5],
  ["stderr", "err", 6],
] as const;

/** A number that is taken costs a twentieth of a line of /proc; whether by the same process is asked more seldom. */
const ROUNDS_A_LOOK = 6;
const hasItsNumber = ({ pid }: LocalProcess) => isTaken(pid);
const isLiving = (one: LocalProcess) => findLive(one) !== undefined;

function isComplete(
  readers: readonly LocalProcess[] = [],
  isThere: (one: LocalProcess) => boolean,
): boolean {
  return readers.length === STREAMS.length && readers.every(isThere);
}

/** Who reads each pipe that somebody reads. */
function repair(writers: Writers, table: ProcessTable, context: GuardContext): LocalProcess[] {
  const { shim, tree, record } = writers;
  if (findLive(shim) === undefined) return [];
  const readers: LocalProcess[] = [];
  const alive = table.shimsOf(tree.marker).filter(isLive);
  for (const [stream, pipe, descriptor] of STREAMS) {
    const reader = alive.find((row) => reads(row, pipe, tree));
    if (reader !== undefined) {
      readers.push({ pid: reader.pid, startTime: reader.startTime });
      continue;
    }
    const { instanceId } = record;
    context.warn("a writer was killed; another takes its place", { instanceId, stream });
    try {
      startWriter(stream, `/proc/${shim.pid}/fd/${descriptor}`, writers, context);
    } catch (error) {
      context.warn("no writer", { instanceId, stream, error });
    }
  }
  return readers;
}

/** Kills what still writes these logs: the output of whoever holds the pipes ends in a broken pipe. */
export async function cutWriters(
  { shim, tree }: { readonly shim: LocalProcess | undefined; readonly tree: Tree },
  context: Pick<InstanceContext, "platform" | "tables" | "closed">,
): Promise<void> {
  if (shim !== undefined && context.platform.proc) signalGroupOf(shim, "SIGKILL");
  if (!context.platform.proc) return;
  const since = (shim ?? tree.main).startTime;
  for (;;) {
    const alive = (await context.tables.pass(since)).shimsOf(tree.marker).filter(isLive);
    if (alive.length === 0 || context.closed.aborted) return;
    for (const row of alive) signalProcess(row, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function reads(row: TableRow, pipe: string, tree: Tree): boolean {
  return row.links.some(
    (link) => tree.pipes.includes(link) && link.replace(/ \(deleted\)$/, "").endsWith(`/${pipe}`),
  );
}

function startWriter(
  stream: "stdout" | "stderr",
  pipe: string,
  { directory, record }: Writers,
  context: GuardContext,
): void {
  // To open a FIFO for reading alone waits for a writer, for ever if the service has just ended.
  const writable = openSync(pipe, "r+");
  const input = openSync(pipe, "r");
  closeSync(writable);
  const log = openSync(`${directory}/${FILES.shimLog}`, "a", 0o600);
  try {
    const child = spawn(context.shell, [context.shimPath, "keep", stream], {
      cwd: directory,
      detached: true,
      stdio: [input, log, log],
      env: shimEnvironment(record, { shell: context.shell, stdin: "NULL" }),
    });
    child.on("error", (error) => context.warn("no writer", { stream, error }));
    child.unref();
  } finally {
    closeSync(input);
    closeSync(log);
  }
}
