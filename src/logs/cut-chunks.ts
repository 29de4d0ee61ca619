import type { LogChunk } from "./log-batch.ts";
import type { Segment } from "./plan-read.ts";
import { LOG_STREAMS, type PerStream, type StreamIndex } from "./stream.ts";
import { utf8Boundary } from "./utf8-boundary.ts";

/** The bytes that were read of one stream; `start` is the file offset of the first. */
export interface ReadRange {
  readonly start: number;
  readonly bytes: Buffer;
}

export interface CutChunks {
  readonly chunks: readonly LogChunk[];
  /** The first byte of each stream that is in no chunk. */
  readonly offsets: PerStream<number>;
  /** Bytes of a newest, unfinished line were left out. */
  readonly held: PerStream<boolean>;
}

const NEWLINE = 10;

/**
 * Cuts what was read into chunks: whole lines where there is a line's end, else as the segments say. Pure.
 * With `tellRest` the newest unfinished line of a stream is told as well, but for the beginning of a character.
 */
export function cutChunks(
  segments: readonly Segment[],
  ranges: PerStream<ReadRange>,
  tellRest: PerStream<boolean>,
): CutChunks {
  const chunks: LogChunk[] = [];
  const next: [number, number] = [ranges[0].start, ranges[1].start];
  const held: [boolean, boolean] = [false, false];

  const tell = ({ stream, time, instance }: Segment, end: number) => {
    const range = ranges[stream];
    if (end <= next[stream]) return;
    const bytes = range.bytes.subarray(next[stream] - range.start, end - range.start);
    const partial = bytes[bytes.length - 1] !== NEWLINE;
    chunks.push({ stream: LOG_STREAMS[stream], time, instance, bytes, partial });
    next[stream] = end;
  };
  const lineEnd = ({ stream, start, end }: Segment) => {
    // What waits from segments before has no line's end in it.
    const range = ranges[stream];
    const own = range.bytes.subarray(start - range.start, end - range.start);
    const found = own.lastIndexOf(NEWLINE);
    return found < 0 ? next[stream] : start + found + 1;
  };
  const characterEnd = ({ stream, end }: Segment, start: number) => {
    const range = ranges[stream];
    return range.start + utf8Boundary(range.bytes, start - range.start, end - range.start);
  };

  for (const segment of segments) {
    const { stream, end, rest } = segment;
    if (rest === "break") {
      tell(segment, end);
      continue;
    }
    const line = lineEnd(segment);
    if (rest === "idle") {
      tell(segment, characterEnd(segment, line));
    } else if (rest === "newest" && tellRest[stream] && line < end) {
      const whole = characterEnd(segment, line);
      // Nothing but the beginning of a character, and its rest does not come: so be it.
      tell(segment, whole > next[stream] ? whole : end);
    } else {
      tell(segment, line);
      held[stream] = rest === "newest" && next[stream] < end;
    }
  }
  const last = segments.at(-1);
  if (chunks.length === 0 && last !== undefined && last.rest !== "newest") {
    // A line longer than a batch, or a broken character that nothing follows: each pull must get on.
    const whole = characterEnd(last, next[last.stream]);
    tell(last, whole > next[last.stream] ? whole : last.end);
  }
  return { chunks, offsets: [...next], held };
}

/** The index record at which the next batch begins to look: the earliest that is not told whole. */
export function nextRecord(
  segments: readonly Segment[],
  offsets: PerStream<number>,
): number | undefined {
  const streams = new Set<StreamIndex>(segments.map(({ stream }) => stream));
  let least: number | undefined;
  for (const stream of streams) {
    const own = segments.filter((segment) => segment.stream === stream);
    const segment = own.find(({ end }) => end > offsets[stream]) ?? own.at(-1);
    if (segment && (least === undefined || segment.record < least)) least = segment.record;
  }
  return least;
}
