import { isUtf8 } from "node:buffer";
import type {
  LogChunk,
  LogStream,
  StreamLogsResponse,
} from "../../gen/workspace/runtime/v1/log_pb.ts";

export interface LogLine {
  readonly serviceId: string;
  readonly serviceName: string;
  readonly operationId: string;
  readonly stream: LogStream;
  readonly instance: number;
  /** When its first bytes were written. */
  readonly time: LogChunk["chunkTime"];
  /** Without the newline; a carriage return before it stays. Bytes that are no UTF-8 show as U+FFFD. */
  readonly text: string;
  /** The exact bytes, if they are not valid UTF-8. */
  readonly data?: Uint8Array;
  /** No newline ends it: the stream ended or has a gap here, or the line goes on in the next one. */
  readonly partial: boolean;
}

export interface LineSplitter {
  /** The lines that this message completes, in order. Those of each source and stream are joined apart. */
  push(message: Pick<StreamLogsResponse, "chunks" | "event">): LogLine[];
  /** What is left without a newline. */
  flush(): LogLine[];
}

export interface SplitOptions {
  /** Longer lines come in pieces, all but the last `partial`; default 1 MiB. */
  readonly maxLineBytes?: number;
}

/** The lines of a log. */
export async function* splitLines(
  messages: AsyncIterable<Pick<StreamLogsResponse, "chunks" | "event">>,
  options: SplitOptions = {},
): AsyncGenerator<LogLine, void, undefined> {
  const splitter = createLineSplitter(options);
  for await (const message of messages) yield* splitter.push(message);
  yield* splitter.flush();
}

/** For who has the messages one by one. */
export function createLineSplitter(options: SplitOptions = {}): LineSplitter {
  const { maxLineBytes = 1024 * 1024 } = options;
  const pending = new Map<string, { chunk: LogChunk; parts: Uint8Array[]; size: number }>();

  const flush = (matches: (chunk: LogChunk) => boolean = () => true) => {
    const lines: LogLine[] = [];
    for (const [key, { chunk, parts }] of pending) {
      if (!matches(chunk)) continue;
      pending.delete(key);
      lines.push(lineOf(chunk, Buffer.concat(parts), true));
    }
    return lines;
  };

  const add = (chunk: LogChunk, bytes: Uint8Array, lines: LogLine[]) => {
    if (bytes.length === 0) return;
    const key = keyOf(chunk);
    const rest = pending.get(key) ?? { chunk, parts: [], size: 0 };
    rest.parts.push(bytes);
    rest.size += bytes.length;
    pending.set(key, rest);
    if (rest.size < maxLineBytes) return;
    const joined = Buffer.concat(rest.parts);
    const piece = joined.subarray(0, joined.length - openCharacter(joined));
    pending.delete(key);
    lines.push(lineOf(rest.chunk, piece, true));
    add(chunk, joined.subarray(piece.length), lines);
  };

  const pushChunk = (chunk: LogChunk, lines: LogLine[]) => {
    const before = pending.get(keyOf(chunk));
    // A new process begins a new line, whatever the one before left.
    if (before !== undefined && before.chunk.instance !== chunk.instance) {
      lines.push(...flush((other) => keyOf(other) === keyOf(chunk)));
    }
    // The lines of a text are texts: most chunks need no look at their bytes.
    const pieces = chunk.content.case === "text" ? chunk.content.value.split("\n") : split(chunk);
    const [first = "", ...others] = pieces;
    const last = others.pop();
    if (last === undefined) return add(chunk, asBytes(first), lines);
    const rest = pending.get(keyOf(chunk));
    pending.delete(keyOf(chunk));
    if (rest === undefined) lines.push(lineOf(chunk, first, false));
    else lines.push(lineOf(rest.chunk, Buffer.concat([...rest.parts, asBytes(first)]), false));
    for (const piece of others) lines.push(lineOf(chunk, piece, false));
    add(chunk, asBytes(last), lines);
  };

  return {
    push(message) {
      const lines: LogLine[] = [];
      for (const chunk of message.chunks) pushChunk(chunk, lines);
      const { event } = message;
      if (event.case === "gap") {
        const { stream, serviceId, operationId } = event.value;
        const holds = (chunk: LogChunk) =>
          chunk.stream === stream &&
          (serviceId === "" || chunk.serviceId === serviceId) &&
          (operationId === "" || chunk.operationId === operationId);
        lines.push(...flush(holds));
      }
      if (event.case === "end") lines.push(...flush());
      return lines;
    },
    flush: () => flush(),
  };
}

function keyOf(chunk: LogChunk): string {
  return `${chunk.serviceId}/${chunk.operationId}/${chunk.stream}`;
}

function split(chunk: LogChunk): Buffer[] {
  const bytes = asBytes(chunk.content.case === "data" ? chunk.content.value : "");
  const pieces: Buffer[] = [];
  let from = 0;
  for (let to = bytes.indexOf(10); to >= 0; to = bytes.indexOf(10, from)) {
    pieces.push(bytes.subarray(from, to));
    from = to + 1;
  }
  return [...pieces, bytes.subarray(from)];
}

function asBytes(piece: string | Uint8Array): Buffer {
  if (typeof piece === "string") return Buffer.from(piece);
  return Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
}

function lineOf(chunk: LogChunk, content: string | Buffer, partial: boolean): LogLine {
  return {
    serviceId: chunk.serviceId,
    serviceName: chunk.serviceName,
    operationId: chunk.operationId,
    stream: chunk.stream,
    instance: chunk.instance,
    time: chunk.chunkTime,
    text: content.toString(),
    ...(typeof content === "string" || isUtf8(content) ? {} : { data: new Uint8Array(content) }),
    partial,
  };
}

/** How many bytes at the end begin a character that is not complete: 0 to 3. */
function openCharacter(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}
