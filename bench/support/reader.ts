import type { ClientReadableStream } from "@grpc/grpc-js";
import { type ByteClient, clientOf, type LogsInit, openLogs } from "./grpc-client.ts";
import type { Scene } from "./scene.ts";

/** One client on a service's log: a connection of its own, bytes counted, nothing decoded. */
export interface Reader {
  readonly bytes: number;
  /** Resolves once so many bytes have come. */
  reached(bytes: number): Promise<void>;
  /** Reads no more: what the flow control lets through is all that comes. */
  pause(): void;
  resume(): void;
  close(): void;
}

export interface ReaderOptions extends LogsInit {
  /** At most so many bytes a second. Default: as they come. */
  readonly bytesPerSecond?: number;
}

/** Resolves with the first message. */
export async function openReader(
  { server }: Scene,
  serviceId: string,
  options: ReaderOptions = {},
): Promise<Reader> {
  const { bytesPerSecond, ...init } = options;
  const client: ByteClient = clientOf(server);
  const call: ClientReadableStream<Buffer> = openLogs(client, serviceId, { follow: true, ...init });
  const waiting = new Set<{ readonly bytes: number; readonly resolve: () => void }>();
  let bytes = 0;
  let isClosed = false;
  const first = Promise.withResolvers<void>();
  call.on("error", (error) => {
    if (!isClosed) first.reject(error);
  });
  call.on("data", (message: Buffer) => {
    bytes += message.length;
    first.resolve();
    for (const one of waiting) {
      if (bytes < one.bytes) continue;
      waiting.delete(one);
      one.resolve();
    }
    if (bytesPerSecond !== undefined) {
      call.pause();
      setTimeout(() => call.resume(), (message.length / bytesPerSecond) * 1000);
    }
  });
  await first.promise;
  return {
    get bytes() {
      return bytes;
    },
    reached(wanted) {
      if (bytes >= wanted) return Promise.resolve();
      return new Promise((resolve) => waiting.add({ bytes: wanted, resolve }));
    },
    pause: () => void call.pause(),
    resume: () => void call.resume(),
    close() {
      isClosed = true;
      call.cancel();
      client.close();
    },
  };
}
