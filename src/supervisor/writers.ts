import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { findLive, type LocalProcess } from "./identity.ts";
import type { InstanceContext } from "./instance.ts";
import { FILES, type InstanceRecord } from "./instance-directory.ts";
import { isLive } from "./process-stat.ts";
import type { TableRow } from "./process-table.ts";
import { shimEnvironment } from "./shim-environment.ts";
import { signalGroupOf, signalProcess } from "./signal.ts";
import type { Tree } from "./tree.ts";

interface Writers {
  readonly directory: string;
  readonly record: InstanceRecord;
  readonly shim: LocalProcess | undefined;
  readonly tree: Tree;
}

/**
 * Puts a writer in the place of one that was killed together with its loop: until then its service waits as soon as a
 * pipe is full. The shim itself finishes that work only at the service's end.
 */
export async function repairWriters(writers: Writers, context: InstanceContext): Promise<void> {
  const { shim, tree } = writers;
  if (shim === undefined || !context.platform.proc || findLive(shim) === undefined) return;
  const table = await context.tables.pass(shim.startTime);
  const alive = table.shimsOf(tree.marker).filter(isLive);
  for (const [stream, pipe, descriptor] of [
    ["stdout", "out", 5],
    ["stderr", "err", 6],
  ] as const) {
    if (alive.some((row) => reads(row, pipe, tree)) || context.closed.aborted) continue;
    context.warn("a writer was killed; another takes its place", {
      instanceId: writers.record.instanceId,
      stream,
    });
    try {
      startWriter(stream, `/proc/${shim.pid}/fd/${descriptor}`, writers, context);
    } catch (error) {
      context.warn("no writer", { instanceId: writers.record.instanceId, stream, error });
    }
  }
}

/** Kills what still writes these logs: the output of whoever holds the pipes ends in a broken pipe. */
export async function cutWriters(
  { shim, tree }: Pick<Writers, "shim" | "tree">,
  context: InstanceContext,
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
  context: InstanceContext,
): void {
  const input = openSync(pipe, "r");
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
