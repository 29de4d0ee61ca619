import { Server, ServerCredentials, type ServerWritableStream } from "@grpc/grpc-js";
import { bareService } from "./bare-service.ts";

// What the transport can do with nothing behind it: messages of one size from one buffer, drained.
const server = new Server({
  "grpc.max_send_message_length": -1,
  "grpc-node.flow_control_window": 1024 * 1024,
});
server.addService(bareService, {
  async stream(call: ServerWritableStream<Buffer, Buffer>) {
    const { size, count } = JSON.parse(call.request.toString());
    const message = Buffer.alloc(size, "x");
    for (let sent = 0; sent < count && !call.cancelled; sent += 1) {
      if (!call.write(message)) {
        await new Promise((resolve) => {
          call.once("drain", resolve);
          call.once("cancelled", resolve);
        });
      }
    }
    call.end();
  },
});
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
process.on("SIGTERM", () => server.forceShutdown());
