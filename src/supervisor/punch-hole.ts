import { execFile } from "node:child_process";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Gives the blocks of a part of a file back: its size stays, the part reads as zeros. Through util-linux's
 * `fallocate`, since Node has no such call.
 */
export async function punchHole(path: string, offset: number, length: number): Promise<void> {
  const range = ["--offset", String(offset), "--length", String(length)];
  await run("fallocate", ["--punch-hole", ...range, path], { timeout: 60_000 });
}

const PROBE_BYTES = 64 * 1024;

/** Whether this machine has the program and the directory's file system has holes. Leaves nothing behind. */
export async function canPunchHoles(directory: string): Promise<boolean> {
  const path = join(directory, `.hole-probe-${process.pid}`);
  try {
    const file = await open(path, "wx+", 0o600);
    try {
      await file.write(Buffer.alloc(PROBE_BYTES, 1), 0, PROBE_BYTES, 0);
      await punchHole(path, 0, PROBE_BYTES);
      const after = Buffer.alloc(PROBE_BYTES, 1);
      await file.read(after, 0, PROBE_BYTES, 0);
      return after.every((byte) => byte === 0) && (await file.stat()).size === PROBE_BYTES;
    } finally {
      await file.close();
    }
  } catch {
    return false;
  } finally {
    await rm(path, { force: true });
  }
}
