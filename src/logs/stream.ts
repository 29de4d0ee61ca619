/** The two outputs of a process, in the order in which pairs of facts about them are kept. */
export const LOG_STREAMS = ["STDOUT", "STDERR"] as const;

export type LogStreamName = (typeof LOG_STREAMS)[number];

/** 0 is stdout, 1 is stderr. */
export type StreamIndex = 0 | 1;

export type PerStream<T> = readonly [stdout: T, stderr: T];

export const STREAM_INDEXES: readonly StreamIndex[] = [0, 1];

/** The indexes of the named streams in their own order; none named means both. */
export function selectStreams(names: readonly LogStreamName[] = []): readonly StreamIndex[] {
  return names.length === 0
    ? STREAM_INDEXES
    : STREAM_INDEXES.filter((stream) => names.includes(LOG_STREAMS[stream]));
}
