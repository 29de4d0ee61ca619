import type { ClientReadableStream } from "@grpc/grpc-js";
import { connectErrorOf } from "./connect-error-of.ts";

/**
 * The messages of a stream, each when it is asked for: what nobody asks for stays with the server, but for what the
 * library reads ahead (16 messages) and HTTP/2's window. What has arrived is given out before an error. Not the stream's own
 * iterator: that would throw an error away that comes before the first `next`, and messages that came before an error.
 */
export function pullMessages<T>(call: ClientReadableStream<T>): AsyncIterable<T> {
  let failure: Error | undefined;
  let isOver = false;
  let wake = () => {};

  call.on("readable", () => wake());
  call.on("error", (error) => {
    failure = connectErrorOf(error);
    wake();
  });
  call.on("end", () => {
    isOver = true;
    wake();
  });

  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        for (;;) {
          const message: T | null = call.read();
          if (message !== null) return { done: false, value: message };
          if (failure !== undefined) throw failure;
          if (isOver) return { done: true, value: undefined };
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      },
    }),
  };
}
