// What the libraries can do with nothing behind them, in a process of its own: opaque messages over
// grpc-js and over node:http2. Prints `{grpc, http2}`, its two ports. Argument: the token that it asks for.
import { hash, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { bareService } from "./bare-service.ts";

const expected = digest(`Bearer ${process.argv[2]}`);

const server = new Server({
  "grpc.max_send_message_length": -1,
  "grpc-node.flow_control_window": 1024 * 1024,
  "grpc.enable_channelz": 0,
});
server.addService(bareService, {
  echo(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) {
    if (isKnown(call)) callback(null, call.request);
    else callback({ code: status.UNAUTHENTICATED });
  },
  async stream(call: ServerWritableStream<Buffer, Buffer>) {
    const { size, count } = JSON.parse(call.request.toString());
    const message = Buffer.alloc(size, "x");
    let goOn = () => {};
    call.on("drain", () => goOn());
    call.on("cancelled", () => goOn());
    for (let sent = 0; sent < count && !call.cancelled; sent += 1) {
      if (call.write(message)) continue;
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
    }
    call.end();
  },
});

const http2 = createServer({ settings: { initialWindowSize: 1024 * 1024 } });
http2.on("stream", async (stream, headers) => {
  const { size, count } = JSON.parse(String(headers.bench));
  const message = Buffer.alloc(size, "x");
  stream.respond({ ":status": 200 });
  for (let sent = 0; sent < count && !stream.destroyed; sent += 1) {
    if (!stream.write(message)) await new Promise((resolve) => stream.once("drain", resolve));
  }
  stream.end();
});

server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, grpc) => {
  if (error) throw error;
  http2.listen(0, "127.0.0.1", () => {
    console.log(JSON.stringify({ grpc, http2: (http2.address() as AddressInfo).port }));
  });
});
process.on("SIGTERM", () => process.exit(0));

function isKnown(call: ServerUnaryCall<Buffer, Buffer>): boolean {
  const [given] = call.metadata.get("authorization");
  return timingSafeEqual(digest(String(given)), expected);
}

function digest(text: string): Buffer {
  return hash("sha256", text, "buffer");
}
