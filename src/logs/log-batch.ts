import type { LogPosition } from "./log-position.ts";
import type { LogStreamName, PerStream } from "./stream.ts";

/** A run of bytes of one stream, instance and time: one or many lines. */
export interface LogChunk {
  readonly stream: LogStreamName;
  /** Milliseconds since the epoch: when the end of the chunk was written, at the latest. */
  readonly time: number;
  readonly instance: number;
  /** Exactly the process's bytes. A view into the buffer of the batch, good until that is released. */
  readonly bytes: Buffer;
  /** The chunk does not end its line. */
  readonly partial: boolean;
}

export interface LogGap {
  readonly stream: LogStreamName;
  /** Exact for TRIMMED; at least as many for LOST. */
  readonly bytes: number;
  /** TRIMMED: retention took it. LOST: the disk was full or failed when it was written. */
  readonly reason: "TRIMMED" | "LOST";
}

/** One pull. A gap is alone in its batch, before what follows it. */
export interface LogBatch {
  readonly chunks: readonly LogChunk[];
  readonly gap?: LogGap;
  /**
   * Gives the bytes of the chunks back for a later pull: nobody may look at them afterwards. Need not
   * be called.
   */
  readonly release?: () => void;
  /**
   * Bytes in front of the first chunk that may be written over, as may the chunks themselves once nobody
   * else looks at them. More than 0 only where the chunks lie one behind the other.
   */
  readonly headroom?: number;
  /** Where the next pull goes on. */
  readonly position: LogPosition;
  /** The same as an opaque string for callers. */
  readonly cursor: string;
  /** For each stream: bytes of an unfinished line were there and left for a later pull. */
  readonly held: PerStream<boolean>;
}
