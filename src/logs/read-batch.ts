import { type BlockReader, type ReadBlock, readOnce } from "./block-reader.ts";
import { cutChunks, nextRecord, type ReadRange } from "./cut-chunks.ts";
import type { LogBatch } from "./log-batch.ts";
import { cursorExpired, encodeCursor, type LogPosition } from "./log-position.ts";
import type { LogState } from "./log-state.ts";
import { planRead, type Segment } from "./plan-read.ts";
import { LOG_STREAMS, type PerStream, STREAM_INDEXES, type StreamIndex } from "./stream.ts";

/**
 * One pull: a gap, or chunks of at most `maxBytes`, or nothing if the position is at the end.
 * @throws CURSOR_EXPIRED when the position is not within this log.
 */
export async function readBatch(
  state: LogState,
  position: LogPosition,
  streams: readonly StreamIndex[],
  maxBytes: number,
  tellRest: PerStream<boolean>,
  reader: BlockReader = readOnce,
): Promise<LogBatch> {
  for (;;) {
    if (
      streams.some((stream) => state.known.offsets[stream] < position.offsets[stream] + maxBytes)
    ) {
      state.look(false);
    }
    checkPosition(state, position);
    const gap = gapAt(state, position, streams);
    if (gap !== undefined) return gap;

    const { generation } = state;
    const segments = await planRead(state, position, streams, maxBytes);
    const read = await readRanges(state, position, segments, reader);
    // Cut or trimmed while we read it: these bytes may be zeros of a hole. Look at it anew.
    if (read.ranges === undefined || state.generation !== generation) {
      read.release();
      state.look(true);
      continue;
    }
    if (streams.some((stream) => state.low[stream] > position.offsets[stream])) {
      read.release();
      continue;
    }

    const { release, headroom } = read;
    const { chunks, offsets, held } = cutChunks(segments, read.ranges, tellRest);
    const record = nextRecord(segments, offsets) ?? position.record;
    return batch(
      {
        generation,
        offsets,
        told: [
          offsets[0] === position.offsets[0] ? position.told[0] : 0,
          offsets[1] === position.offsets[1] ? position.told[1] : 0,
        ],
        ...(record === undefined ? {} : { record }),
      },
      { chunks, held, release, headroom },
    );
  }
}

/** @throws CURSOR_EXPIRED when the position is of another log or beyond the end of this one. */
export function checkPosition(state: LogState, position: LogPosition): void {
  if (position.generation !== state.generation) throw cursorExpired("the log was started over");
  const { offsets } = state.known;
  if (position.offsets[0] > offsets[0] || position.offsets[1] > offsets[1]) {
    throw cursorExpired("it lies beyond the end");
  }
}

function gapAt(
  state: LogState,
  position: LogPosition,
  streams: readonly StreamIndex[],
): LogBatch | undefined {
  for (const stream of streams) {
    const offset = position.offsets[stream];
    const trimmed = state.low[stream] - offset;
    if (trimmed > 0) {
      const after = {
        ...position,
        offsets: replace(position.offsets, stream, state.low[stream]),
        told: replace(position.told, stream, 0),
      };
      return batch(after, {
        gap: { stream: LOG_STREAMS[stream], bytes: trimmed, reason: "TRIMMED" },
      });
    }
    const lost = state.gaps[stream].lostAt(offset);
    const untold = lost - position.told[stream];
    if (untold > 0) {
      const after = { ...position, told: replace(position.told, stream, lost) };
      return batch(after, { gap: { stream: LOG_STREAMS[stream], bytes: untold, reason: "LOST" } });
    }
  }
  return undefined;
}

function batch(position: LogPosition, content: Partial<LogBatch>): LogBatch {
  return { chunks: [], held: [false, false], ...content, position, cursor: encodeCursor(position) };
}

function replace(pair: PerStream<number>, stream: StreamIndex, value: number): PerStream<number> {
  return stream === 0 ? [value, pair[1]] : [pair[0], value];
}

/** Chunks are views of what is read here. */
async function readRanges(
  state: LogState,
  position: LogPosition,
  segments: readonly Segment[],
  reader: BlockReader,
): Promise<{ ranges: PerStream<ReadRange> | undefined; headroom: number; release: () => void }> {
  const end: [number, number] = [...position.offsets];
  for (const segment of segments) end[segment.stream] = segment.end;
  const blocks: ReadBlock[] = [];
  const release = () => {
    for (const block of blocks) block.release();
  };
  const ranges: ReadRange[] = [];
  for (const stream of STREAM_INDEXES) {
    const start = position.offsets[stream];
    const length = end[stream] - start;
    if (length === 0) {
      ranges.push({ start, bytes: NOTHING });
      continue;
    }
    const block = await reader.read(state.outputs[stream], start, length);
    if (block === undefined) return { ranges: undefined, headroom: 0, release };
    blocks.push(block);
    ranges.push({ start, bytes: block.bytes });
  }
  const [stdout, stderr] = ranges as [ReadRange, ReadRange];
  // Two blocks lie apart: no message can be made around both.
  const headroom = blocks.length === 1 ? (blocks[0]?.headroom ?? 0) : 0;
  return { ranges: [stdout, stderr], headroom, release };
}

const NOTHING = Buffer.alloc(0);
