import { closeSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  GapReason,
  LogStream,
  type StreamLogsResponse,
} from "../../gen/workspace/runtime/v1/log_pb.ts";
import { nameOf } from "../../src/cli/words.ts";
import { createLineSplitter } from "../../src/client/index.ts";
import type { Stage } from "./stage.ts";

/** One reader of one log: that it is told each byte of the files once, and that the files hold each line once. */
export interface LogCheck {
  /** Where the reader goes on; "" before the first message. */
  readonly cursor: string;
  /** @throws Error that says which bytes or lines are wrong */
  take(message: StreamLogsResponse): void;
  /** The reader has the whole of both files. @throws Error if not */
  finish(): void;
}

export function createLogCheck({ scene, figures }: Stage, serviceId: string): LogCheck {
  const directory = join(scene.dataDir, "services", serviceId);
  const positions = new Map<LogStream, number>();
  const splitter = createLineSplitter();
  const lines = createLineCheck(serviceId);
  let cursor = "";

  return {
    get cursor() {
      return cursor;
    },
    take(message) {
      for (const { stream, content } of message.chunks) {
        const bytes =
          content.case === "data" ? Buffer.from(content.value) : Buffer.from(content.value ?? "");
        const at = positions.get(stream) ?? 0;
        const written = readAt(join(directory, fileOf(stream)), at, bytes.length);
        if (!written.equals(bytes)) {
          throw new Error(
            `${serviceId}: ${fileOf(stream)} has at ${at} ${quote(written)}; the reader got ${quote(bytes)}`,
          );
        }
        positions.set(stream, at + bytes.length);
        figures.add("bytes_verified", bytes.length);
      }
      if (message.event.case === "gap") {
        const { bytes, reason } = message.event.value;
        throw new Error(`${serviceId}: a gap of ${bytes} bytes, ${nameOf(GapReason, reason)}`);
      }
      for (const { text, partial } of splitter.push(message)) {
        lines.take(text, partial);
        figures.add("lines_verified");
      }
      if (message.cursor !== "") cursor = message.cursor;
    },
    finish() {
      for (const stream of [LogStream.STDOUT, LogStream.STDERR]) {
        const { size } = statSync(join(directory, fileOf(stream)));
        const read = positions.get(stream) ?? 0;
        if (size === read) continue;
        throw new Error(`${serviceId}: read ${read} of ${size} of ${fileOf(stream)}`);
      }
    },
  };
}

/** Each writer counts its lines from 1, and a line's last word follows from its number. */
function createLineCheck(serviceId: string) {
  const counts = new Map<string, number>();
  return {
    take(text: string, partial: boolean): void {
      const [first = "", second = "", third = "", check] = text.split(" ");
      if (["begin", "hello", "crash", "done", "fails"].includes(first) && !partial) {
        if (first === "begin") counts.delete(`${second} ${third}`);
        return;
      }
      const n = (counts.get(`${first} ${second}`) ?? 0) + 1;
      if (partial || Number(third) !== n || Number(check) !== (n * 7919) % 100003) {
        throw new Error(`${serviceId}: line ${n} of ${first} ${second} reads ${quote(text)}`);
      }
      counts.set(`${first} ${second}`, n);
    },
  };
}

function fileOf(stream: LogStream): string {
  return stream === LogStream.STDERR ? "stderr.log" : "stdout.log";
}

function readAt(path: string, position: number, length: number): Buffer {
  const descriptor = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, length, position));
  } finally {
    closeSync(descriptor);
  }
}

function quote(text: Buffer | string): string {
  const whole = JSON.stringify(String(text));
  return whole.length > 300 ? `${whole.slice(0, 300)}… (${whole.length})` : whole;
}
