import { lstat, rm } from "node:fs/promises";
import { connect } from "node:net";

/** sun_path of Linux holds 108 bytes with its final NUL, that of macOS 104. */
const LONGEST_PATH = process.platform === "darwin" ? 103 : 107;

/**
 * Makes room for a Unix socket at `path`: the file of a dead server is unlinked. Fails when someone
 * listens there, or when the path is too long for the kernel. Call it under the data directory's lock.
 */
export async function claimSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    throw new Error(
      `the socket path ${path} is longer than ${LONGEST_PATH} bytes; choose a shorter --data-dir`,
    );
  }
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`${path} is in the way: it is no socket, and not ours`);
  if (await someoneListens(path)) throw new Error(`another server listens on ${path}`);
  await rm(path, { force: true });
}

function someoneListens(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect({ path });
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      else reject(error);
    });
  });
}
