import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { StreamLogsRequestSchema } from "../../gen/workspace/runtime/v1/log_pb.ts";
import type { TestServer } from "../support/server.ts";

const FIRST_MESSAGE_MS = 60_000;

/** Opens so many streams and drops each after its first message: by cancelling it, or by destroying its connection. */
export async function openAndDrop(
  server: TestServer,
  serviceId: string,
  count: number,
  wave: number,
): Promise<void> {
  const kinds = [cancelLogs, cancelWatch, destroyConnection];
  for (let done = 0; done < count; done += wave) {
    const size = Math.min(wave, count - done);
    await Promise.all(
      Array.from({ length: size }, (_, index) =>
        kinds[(done + index) % kinds.length]?.(server, serviceId),
      ),
    );
  }
}

async function cancelLogs({ client }: TestServer, serviceId: string): Promise<void> {
  const source = { case: "serviceId", value: serviceId } as const;
  for await (const _ of client.streamLogs({ source, follow: true })) return;
}

async function cancelWatch({ client }: TestServer): Promise<void> {
  for await (const _ of client.watchStatus({})) return;
}

/** As when a client's machine is switched off in the middle of a message. */
async function destroyConnection(server: TestServer, serviceId: string): Promise<void> {
  const { hostname, port } = new URL(server.address);
  const socket: Socket = connect(Number(port), hostname);
  const session = connectHttp2(server.address, { createConnection: () => socket });
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": "/workspace.runtime.v1.WorkspaceRuntime/StreamLogs",
    "content-type": "application/grpc",
    te: "trailers",
    authorization: `Bearer ${server.token}`,
  });
  stream.on("error", () => {});
  const source = { case: "serviceId", value: serviceId } as const;
  const request = create(StreamLogsRequestSchema, { source, follow: true });
  stream.end(framed(toBinary(StreamLogsRequestSchema, request)));
  await once(stream, "data", { signal: AbortSignal.timeout(FIRST_MESSAGE_MS) });
  socket.destroy();
  if (!session.destroyed) session.destroy();
}

/** Uncompressed, with its length before it. */
function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
