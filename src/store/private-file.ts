import { closeSync, openSync } from "node:fs";

/**
 * Makes an empty file that only its owner can read, unless there is one. An existing file is not
 * opened: to close it again would drop every lock that this process holds on it.
 */
export function createPrivateFile(path: string): void {
  try {
    closeSync(openSync(path, "ax", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
