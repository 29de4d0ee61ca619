import type { LogChunk } from "../../logs/log-batch.ts";
import type { LogStreamName } from "../../logs/stream.ts";

/** Longer lines are looked at in their first part. */
const MAX_LINE_BYTES = 64 * 1024;

/** Joins the pieces of lines, each stream for itself. */
export interface OutputSplitter {
  /** The lines that this chunk completes, without their ends. */
  push(chunk: LogChunk): string[];
  /** What stands unfinished at the ends. */
  rests(): string[];
  /** A piece of the stream is missing here: its unfinished line has no end. */
  cut(stream: LogStreamName): void;
}

export function createOutputSplitter(): OutputSplitter {
  const rests = new Map<LogStreamName, Buffer>();
  return {
    push({ stream, bytes }) {
      const lines: string[] = [];
      let from = 0;
      for (let to = bytes.indexOf(10); to >= 0; to = bytes.indexOf(10, from)) {
        lines.push(textOf(joined(rests.get(stream), bytes.subarray(from, to))));
        rests.delete(stream);
        from = to + 1;
      }
      if (from < bytes.length) {
        rests.set(stream, joined(rests.get(stream), bytes.subarray(from)));
      }
      return lines;
    },
    rests: () => [...rests.values()].map(textOf),
    cut: (stream) => void rests.delete(stream),
  };
}

/** A copy: the chunk is a view into a buffer that is used again. */
function joined(rest: Buffer | undefined, piece: Buffer): Buffer {
  const room = MAX_LINE_BYTES - (rest?.length ?? 0);
  return Buffer.concat([rest ?? Buffer.alloc(0), piece.subarray(0, Math.max(room, 0))]);
}

function textOf(line: Buffer): string {
  return line.toString("utf8").replace(/\r$/, "");
}
