/** What one server takes from its callers. The numbers hold for each listener, the calls for all of them. */
export interface ServerLimits {
  /** How long a connection may stay silent before its protocol is known, TLS handshake included. */
  readonly sniffTimeoutMs: number;
  /** Open connections of one listener; further ones are closed at once. */
  readonly maxConnections: number;
  /** Calls at a time on one HTTP/2 connection; clients queue what is above. */
  readonly maxStreamsPerConnection: number;
  /** Calls at a time, streams included; above: LIMIT_EXCEEDED. */
  readonly maxCalls: number;
  /** Largest request message, on both transports and after decompression; above: LIMIT_EXCEEDED. */
  readonly maxMessageBytes: number;
  /** Bytes of one stream that are handed to the transport and not sent yet. */
  readonly streamBufferBytes: number;
  /** A gRPC client that has not answered a ping for this long after `pingIntervalMs` is gone. */
  readonly pingTimeoutMs: number;
  readonly pingIntervalMs: number;
  /** How long a call that changes something waits for the server to be ready. */
  readonly startingUpWaitMs: number;
  /** HTTP/1.1 has no pings: a stream whose reader takes nothing for this long is ended. */
  readonly stalledReaderMs: number;
}

export const defaultLimits: ServerLimits = {
  sniffTimeoutMs: 10_000,
  maxConnections: 4_096,
  maxStreamsPerConnection: 10_000,
  maxCalls: 20_000,
  maxMessageBytes: 4 * 1024 * 1024,
  streamBufferBytes: 1024 * 1024,
  pingIntervalMs: 30_000,
  pingTimeoutMs: 20_000,
  startingUpWaitMs: 30_000,
  stalledReaderMs: 10 * 60_000,
};
