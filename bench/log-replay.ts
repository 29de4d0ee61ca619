import { spawn } from "node:child_process";
import { once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { StreamLogsRequestSchema } from "../gen/workspace/runtime/v1/log_pb.ts";
import { eventually } from "../test/support/eventually.ts";
import { startServer } from "../test/support/server.ts";
import { realizePrimary, shellService } from "../test/support/workspace.ts";
import { bareService } from "./bare-service.ts";
import { median } from "./statistics.ts";

const LOG_BYTES = Number(process.env.BENCH_LOG_BYTES ?? 500_000_000);
const ROUNDS = 3;
const OPTIONS = {
  "grpc.max_receive_message_length": -1,
  "grpc-node.flow_control_window": 1024 * 1024,
};

/**
 * A log of 100-byte lines, replayed whole to one grpc-js client that decodes nothing, against a bare
 * grpc-js server that streams messages of the same size and number; alternating, each in a process
 * of its own.
 */
export async function measureLogReplay(): Promise<Record<string, number>> {
  const server = await startServer();
  const workspace = await realizePrimary(server);
  const bare = spawn(process.execPath, [
    new URL("./bare-stream-server.ts", import.meta.url).pathname,
  ]);
  try {
    const [port] = await once(bare.stdout, "data");
    const line = "x".repeat(99);
    const { services } = await server.client.ensureServices({
      runId: "bench",
      workspaceId: workspace.workspaceId,
      services: [
        shellService("writer", `yes ${line} | head -c ${LOG_BYTES}; sleep 600`, {
          logs: { maxBytes: 2n * BigInt(LOG_BYTES) } as never,
        }),
      ],
    });
    const serviceId = services[0]?.serviceId ?? "";
    await eventually(async () => (await replay(server, serviceId)).bytes >= LOG_BYTES, {
      timeoutMs: 60_000,
      intervalMs: 500,
    });

    const ours: number[] = [];
    const theirs: number[] = [];
    let shape = { messages: 0, bytes: 0 };
    for (let round = 0; round < ROUNDS; round += 1) {
      const own = await replay(server, serviceId);
      shape = own;
      ours.push(own.bytes / own.seconds / 1e6);
      const size = Math.round(own.bytes / own.messages);
      const base = await bareStream(Number(port), size, own.messages);
      theirs.push(base.bytes / base.seconds / 1e6);
    }
    return {
      logBytes: LOG_BYTES,
      messages: shape.messages,
      streamLogsMBps: median(ours),
      bareGrpcMBps: median(theirs),
      ratio: median(ours) / median(theirs),
    };
  } finally {
    bare.kill("SIGTERM");
    await server.stop();
    workspace.remove();
  }
}

interface Replayed {
  readonly bytes: number;
  readonly messages: number;
  readonly seconds: number;
}

function replay(server: { address: string; token: string }, serviceId: string): Promise<Replayed> {
  const request = create(StreamLogsRequestSchema, {
    source: { case: "serviceId", value: serviceId },
  });
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${server.token}`);
  return drain(
    new URL(server.address).host,
    "/workspace.runtime.v1.WorkspaceRuntime/StreamLogs",
    Buffer.from(toBinary(StreamLogsRequestSchema, request)),
    metadata,
  );
}

function bareStream(port: number, size: number, count: number): Promise<Replayed> {
  const request = Buffer.from(JSON.stringify({ size, count }));
  return drain(`127.0.0.1:${port}`, bareService.stream.path, request, new Metadata());
}

async function drain(
  target: string,
  path: string,
  request: Buffer,
  metadata: Metadata,
): Promise<Replayed> {
  const client = new Client(target, credentials.createInsecure(), OPTIONS);
  const raw = (value: Buffer) => value;
  const begun = performance.now();
  let bytes = 0;
  let messages = 0;
  for await (const message of client.makeServerStreamRequest(path, raw, raw, request, metadata)) {
    bytes += (message as Buffer).length;
    messages += 1;
  }
  const seconds = (performance.now() - begun) / 1000;
  client.close();
  return { bytes, messages, seconds };
}

if (import.meta.main) console.log(await measureLogReplay());
