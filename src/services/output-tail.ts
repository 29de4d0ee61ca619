import { maskSecrets } from "../environment/secrets.ts";
import type { Log } from "../logs/log.ts";

const LINES = 20;
const MAX_BYTES = 4 * 1024;

/** The last words of a service, both streams, for a person who asks why: at most 4 KiB of text, without `env`'s secrets. */
export async function outputTail(
  openLog: () => Promise<Log>,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  try {
    const log = await openLog();
    const start = await log.position({ kind: "tail", lines: LINES });
    const { chunks } = await log.read(start, { maxBytes: 64 * 1024 });
    const text = Buffer.concat(chunks.map(({ bytes }) => bytes)).toString("utf8");
    // Before the cut: half a secret would not be known again.
    return maskSecrets(text, env).slice(-MAX_BYTES);
  } catch {
    return "";
  }
}
