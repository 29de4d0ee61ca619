import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import { createRandom, type Random } from "../support/random.ts";
import { arbitraryMessage } from "./arbitrary-message.ts";
import type { Report } from "./report.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Where a server listens: garbage is sent to each, and under TLS on both sides of its handshake. */
export interface Doors {
  /** `http://127.0.0.1:port` */
  readonly address: string;
  readonly socketPath: string;
  readonly token: string;
  /** Of a server under TLS: `https://127.0.0.1:port`. */
  readonly tlsAddress: string;
}

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const CONNECTION_MS = 1_500;
const SERVICE = `/${WorkspaceRuntime.typeName}`;

/** A round of everything that a socket can carry and that no client of ours would send. */
export async function wireGarbage(
  doors: Doors,
  words: Vocabulary,
  report: Report,
  seed: number,
): Promise<void> {
  const random = createRandom(seed);
  const doorways = openers(doors);
  const rawSends = Array.from({ length: 12 }, async () => {
    const [name, open] = random.pick(doorways);
    const pieces = garbage(random);
    await sendRaw(open, pieces);
    report.count(`garbage to ${name}`);
  });
  await Promise.all(rawSends);
  await mutatedFrames(doors, words, report, random);
}

function openers({ address, socketPath, tlsAddress }: Doors): [string, () => Socket][] {
  const [plain, tls] = [address, tlsAddress].map((url) => Number(new URL(url).port));
  const host = "127.0.0.1";
  const insecure = { host, port: tls ?? 0, rejectUnauthorized: false };
  return [
    ["TCP", () => connectTcp({ host, port: plain ?? 0 })],
    ["the Unix socket", () => connectTcp({ path: socketPath })],
    ["TLS, before its handshake", () => connectTcp({ host, port: tls ?? 0 })],
    ["TLS as h2", () => connectTls({ ...insecure, ALPNProtocols: ["h2"] })],
    ["TLS as http/1.1", () => connectTls({ ...insecure, ALPNProtocols: ["http/1.1"] })],
  ];
}

function garbage(random: Random): Buffer[] {
  const kinds: (() => Buffer[])[] = [
    () => [bytes(random, 1 + random.below(4_000))],
    () => [PREFACE, ...Array.from({ length: random.below(30) }, () => frame(random))],
    () => [PREFACE, emptySettings(), ...Array.from({ length: 20 }, () => frame(random))],
    () => [PREFACE.subarray(0, 1 + random.below(PREFACE.length - 1))],
    () => [Buffer.from(httpRequest(random), "latin1")],
    // A byte at a time.
    () => [...httpRequest(random).slice(0, 12)].map((byte) => Buffer.from(byte, "latin1")),
    () => [Buffer.from(`GET / HTTP/1.1\r\nhost: x\r\nx: ${"h".repeat(200_000)}\r\n\r\n`)],
    // A thousand streams opened and reset: what HTTP/2 servers died of.
    () => [
      PREFACE,
      emptySettings(),
      ...Array.from({ length: 1_000 }, (_, index) => [
        rawFrame(1, 0x4, 2 * index + 1, Buffer.from([0x82, 0x84, 0x86])),
        rawFrame(3, 0, 2 * index + 1, Buffer.alloc(4)),
      ]).flat(),
    ],
    () => [
      PREFACE,
      emptySettings(),
      ...Array.from({ length: 500 }, () => rawFrame(6, 0, 0, Buffer.alloc(8))),
    ],
    // Headers that never end.
    () => [
      PREFACE,
      emptySettings(),
      rawFrame(1, 0, 1, Buffer.from([0x82])),
      ...Array.from({ length: 200 }, () => rawFrame(9, 0, 1, bytes(random, 1_000))),
    ],
  ];
  return random.pick(kinds)();
}

function httpRequest(random: Random): string {
  const method = random.pick(["GET", "POST", "OPTIONS", "BREW", "CONNECT", "\0", "POST"]);
  const path = random.pick([
    "/",
    `${SERVICE}/GetService`,
    `${SERVICE}/StreamLogs`,
    `${SERVICE}/Nothing`,
    "/..%2f..%2fetc/passwd",
    `/${"a".repeat(20_000)}`,
    "*",
    "\u00ff\u00fe",
  ]);
  const headers = [
    "host: 127.0.0.1",
    `content-type: ${random.pick(["application/json", "application/proto", "application/connect+json", "application/grpc", "text/html", "\u00ff"])}`,
    `content-length: ${random.pick(["0", "5", "-1", "99999999999", "x"])}`,
    random.pick([
      "transfer-encoding: chunked",
      "connect-protocol-version: 9",
      "upgrade: h2c",
      "expect: 100-continue",
    ]),
  ].filter(() => random.percent(70));
  return `${method} ${path} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n${bytes(random, random.below(200)).toString("latin1")}`;
}

/** Until the server ends it, or for a while: some connections are left open in the middle of a word. */
function sendRaw(open: () => Socket, pieces: readonly Buffer[]): Promise<void> {
  return new Promise((resolve) => {
    const socket = open();
    const timer = setTimeout(() => socket.destroy(), CONNECTION_MS);
    socket.on("error", () => {});
    socket.on("data", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
    for (const piece of pieces) socket.write(piece);
  });
}

/** Requests whose message is nearly right: bits flipped, lengths that lie, compression that is none. */
async function mutatedFrames(
  doors: Doors,
  words: Vocabulary,
  report: Report,
  random: Random,
): Promise<void> {
  const session = connectHttp2(doors.address);
  session.on("error", () => {});
  const calls = Array.from({ length: 24 }, async () => {
    const method = random.pick(WorkspaceRuntime.methods);
    const [message] = fc.sample(arbitraryMessage(method.input, words), {
      numRuns: 1,
      seed: random.below(2 ** 31),
    });
    const good = Buffer.from(toBinary(method.input, message as never));
    const body = mutated(good, random);
    const status = await post(session, `${SERVICE}/${method.name}`, doors.token, body);
    report.count("mutated gRPC frames");
    if (status === "13" || status === "2") {
      report.fail(
        `${method.name} answered ${status} to the frame ${body.toString("base64").slice(0, 2_000)}`,
      );
    }
  });
  await Promise.all(calls);
  session.destroy();
}

function mutated(message: Buffer, random: Random): Buffer {
  const flipped = Buffer.from(message);
  for (let index = random.below(4); index > 0 && flipped.length > 0; index -= 1) {
    flipped[random.below(flipped.length)] = random.below(256);
  }
  const cut = flipped.subarray(
    0,
    random.percent(30) ? random.below(flipped.length + 1) : undefined,
  );
  const length = random.percent(75)
    ? cut.length
    : random.pick([0, 1, cut.length + 1, 2 ** 31, 2 ** 32 - 1]);
  const head = Buffer.alloc(5);
  head[0] = random.percent(85) ? 0 : random.below(256);
  head.writeUInt32BE(length, 1);
  return random.percent(10) ? cut : Buffer.concat([head, cut]);
}

/** The answer's gRPC status; undefined when it was none. */
function post(
  session: ClientHttp2Session,
  path: string,
  token: string,
  body: Buffer,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      authorization: `Bearer ${token}`,
    });
    let status: string | undefined;
    const note = (headers: Record<string, unknown>) => {
      status ??= headers["grpc-status"] as string | undefined;
    };
    const timer = setTimeout(() => stream.close(), CONNECTION_MS);
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("error", () => {});
    stream.on("data", () => {});
    stream.on("close", () => {
      clearTimeout(timer);
      resolve(status);
    });
    stream.end(body);
  });
}

function bytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}

function frame(random: Random): Buffer {
  const payload = bytes(random, random.below(60));
  return rawFrame(random.below(12), random.below(256), random.below(8), payload);
}

function emptySettings(): Buffer {
  return rawFrame(4, 0, 0, Buffer.alloc(0));
}

function rawFrame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
