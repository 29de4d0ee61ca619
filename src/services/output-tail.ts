import type { Log } from "../logs/log.ts";

const LINES = 20;
const MAX_BYTES = 4 * 1024;

/** The last words of a service, both streams, for a person who asks why: at most 4 KiB of text. */
export async function outputTail(openLog: () => Promise<Log>): Promise<string> {
  try {
    const log = await openLog();
    const start = await log.position({ kind: "tail", lines: LINES });
    const { chunks } = await log.read(start, { maxBytes: 64 * 1024 });
    const text = Buffer.concat(chunks.map(({ bytes }) => bytes)).toString("utf8");
    return text.slice(-MAX_BYTES);
  } catch {
    return "";
  }
}
