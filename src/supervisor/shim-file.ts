import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Puts this version's shim into `runtimeDirectory` (made 0700) under the hash of its content and returns its path.
 * Running shims of other versions keep theirs: a script replaced in place would break the shells that run it.
 */
export async function installShim(runtimeDirectory: string): Promise<string> {
  await mkdir(runtimeDirectory, { recursive: true, mode: 0o700 });
  const text = await readFile(new URL("./shim.sh", import.meta.url));
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
  const path = join(runtimeDirectory, `shim-${hash}.sh`);
  const installed = await readFile(path).catch(() => undefined);
  if (installed?.equals(text) !== true) {
    const temporary = `${path}.${process.pid}`;
    await writeFile(temporary, text, { mode: 0o600 });
    await rename(temporary, path);
  }
  return path;
}
