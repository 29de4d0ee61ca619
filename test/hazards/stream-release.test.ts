import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { create } from "@bufbuild/protobuf";
import { describe, expect, it, onTestFinished } from "vitest";
import type { StreamLogsResponse } from "../../gen/workspace/runtime/v1/log_pb.ts";
import { LogChunkSchema, StreamLogsResponseSchema } from "../../gen/workspace/runtime/v1/log_pb.ts";
import {
  connectClient,
  grpcClient,
  grpcMetadata,
  pathOf,
  raw,
  startServer,
  TOKEN,
} from "../server/support.ts";
import { eventually } from "../support/eventually.ts";

/**
 * Hazard 42 where the network is: however a client leaves, and wherever its stream stands (waiting for
 * something to say, or blocked because nobody reads), the handler hears of it and gives back what it holds.
 */
function createSource() {
  const held = new Set<symbol>();
  const sent = { messages: 0 };
  const message = create(StreamLogsResponseSchema, {
    chunks: [create(LogChunkSchema, { content: { case: "data", value: new Uint8Array(200_000) } })],
  });
  /** Holds something until its `finally`, as a careless handler would: the transport must bring it there. */
  async function* endless(signal: AbortSignal, quiet: boolean): AsyncGenerator<StreamLogsResponse> {
    const mine = Symbol();
    held.add(mine);
    try {
      yield create(StreamLogsResponseSchema, { event: { case: "heartbeat", value: {} } });
      if (quiet) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      while (!quiet) {
        sent.messages += 1;
        yield message;
      }
    } finally {
      held.delete(mine);
    }
  }
  return { held, sent, endless };
}

async function streamingServer() {
  const source = createSource();
  const server = await startServer({
    // `follow` is the quiet one.
    streamLogs: (request, { signal }) => source.endless(signal, request.follow),
  });
  const blocked = async () => {
    // Nobody reads: the number of messages comes to rest.
    let last = -1;
    await eventually(
      () => {
        const before = last;
        last = source.sent.messages;
        return last > 0 && last === before;
      },
      { intervalMs: 50 },
    );
  };
  const released = () => eventually(() => source.held.size === 0);
  return { server, source, blocked, released };
}

const quietRequest = Buffer.from([0x40, 1]);
const loudRequest = Buffer.alloc(0);

function openGrpc(address: string, request: Buffer) {
  const client = grpcClient(address);
  const call = client.makeServerStreamRequest(
    pathOf("StreamLogs"),
    raw,
    raw,
    request,
    grpcMetadata(),
  );
  call.on("error", () => {});
  return { client, call };
}

/** A Connect stream by hand, over a socket that we can tear. */
function openConnect(port: number, follow: boolean): Socket {
  const json = JSON.stringify({ follow });
  const body = Buffer.concat([Buffer.from([0, 0, 0, 0, json.length]), Buffer.from(json)]);
  const socket = connect(port, "127.0.0.1");
  socket.write(
    [
      `POST ${pathOf("StreamLogs")} HTTP/1.1`,
      "host: localhost",
      `authorization: Bearer ${TOKEN}`,
      "content-type: application/connect+json",
      `content-length: ${body.length}`,
      "",
      "",
    ].join("\r\n"),
  );
  socket.write(body);
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  return socket;
}

describe("a gRPC stream is released", () => {
  it("when the client cancels it while nothing happens", async () => {
    const { server, source, released } = await streamingServer();
    const { call } = openGrpc(server.address, quietRequest);
    await once(call, "data");
    expect(source.held.size).toBe(1);
    call.cancel();
    await released();
  });

  it("when the client cancels it while the server is blocked on flow control", async () => {
    const { server, source, blocked, released } = await streamingServer();
    const { call } = openGrpc(server.address, loudRequest);
    // The library's client takes everything until it is first read from.
    call.once("data", () => call.pause());
    await blocked();
    expect(source.held.size).toBe(1);
    call.cancel();
    await released();
  });

  it.each([
    ["waiting", quietRequest],
    ["blocked", loudRequest],
  ])("when the client's process is killed while the server is %s", async (_how, request) => {
    const { server, source, blocked, released } = await streamingServer();
    const child = await forkClient(server.address, request);
    if (request === loudRequest) await blocked();
    expect(source.held.size).toBe(1);
    child.kill("SIGKILL");
    await released();
  });

  it("when its deadline passes", async () => {
    const { server, source, released } = await streamingServer();
    const call = grpcClient(server.address).makeServerStreamRequest(
      pathOf("StreamLogs"),
      raw,
      raw,
      quietRequest,
      grpcMetadata(),
      { deadline: Date.now() + 1_500 },
    );
    const failed = once(call, "error");
    await once(call, "data");
    expect(source.held.size).toBe(1);
    expect((await failed)[0]).toMatchObject({ code: 4 });
    await released();
  });

  it("when the client no longer answers pings (SIGSTOP)", async () => {
    const source = createSource();
    const server = await startServer(
      { streamLogs: (_request, { signal }) => source.endless(signal, true) },
      { limits: { pingIntervalMs: 100, pingTimeoutMs: 200 } },
    );
    const child = await forkClient(server.address, quietRequest);
    expect(source.held.size).toBe(1);
    child.kill("SIGSTOP");
    await eventually(() => source.held.size === 0);
  });
});

describe("a stream over HTTP/1.1 is released", () => {
  it.each([true, false])("when the client hangs up (quiet: %s)", async (quiet) => {
    const { server, source, blocked, released } = await streamingServer();
    const socket = openConnect(server.port, quiet);
    if (quiet) await once(socket, "data");
    else await blocked();
    expect(source.held.size).toBe(1);
    socket.destroy();
    await released();
  });

  it("when the client resets the connection while the server is blocked", async () => {
    const { server, source, blocked, released } = await streamingServer();
    const socket = openConnect(server.port, false);
    await blocked();
    expect(source.held.size).toBe(1);
    socket.resetAndDestroy();
    await released();
  });

  it("when a Connect client aborts", async () => {
    const { server, source, released } = await streamingServer();
    const abort = new AbortController();
    const stream = connectClient(server.address).streamLogs(
      { follow: true },
      { signal: abort.signal },
    );
    await stream[Symbol.asyncIterator]().next();
    expect(source.held.size).toBe(1);
    abort.abort();
    await released();
  });

  it("when its deadline passes, though the server is blocked", async () => {
    const { server, source, released } = await streamingServer();
    const stream = connectClient(server.address).streamLogs({}, { timeoutMs: 1_500 });
    await stream[Symbol.asyncIterator]().next();
    expect(source.held.size).toBe(1);
    await released();
  });

  it("when the reader takes nothing for too long", async () => {
    const source = createSource();
    const server = await startServer(
      { streamLogs: (_request, { signal }) => source.endless(signal, false) },
      { limits: { stalledReaderMs: 200 } },
    );
    const socket = openConnect(server.port, false);
    await eventually(() => source.sent.messages > 0);
    await eventually(() => source.held.size === 0);
    socket.resume();
    await once(socket, "close");
  });
});

/** A client in a process of its own, which has its first message. */
async function forkClient(address: string, request: Buffer): Promise<ChildProcess> {
  const child = fork(new URL("../fixtures/stream-client.ts", import.meta.url), [
    address,
    TOKEN,
    request.toString("hex"),
  ]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "exit").then(([code, signal]) => {
    throw new Error(`the client ended with ${code ?? signal} before its first message`);
  });
  await Promise.race([once(child, "message"), exited]);
  exited.catch(() => {});
  return child;
}
