import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import {
  createClient,
  followLogs,
  type RuntimeClient,
  type StatusUpdate,
  type StreamLogsRequest,
  type WatchStatusRequest,
  watchStatus,
} from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { type FakeServer, startFakeServer } from "./fake-server.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(
  methods: Parameters<typeof startFakeServer>[0],
): Promise<{ server: FakeServer; client: RuntimeClient }> {
  const server = await startFakeServer(methods);
  const client = createClient({ address: server.address, token: "t" });
  cleanups.push(
    () => server.close(),
    () => client.close(),
  );
  return { server, client };
}

/** Line n is followed by the cursor n + 1; the server's side of an unbroken log. */
function line(n: number) {
  return {
    chunks: [{ content: { case: "text" as const, value: `${n}\n` } }],
    cursor: String(n + 1),
  };
}

const END = { cursor: "end", event: { case: "end" as const, value: {} } };

function startOf(request: StreamLogsRequest): number {
  return request.start.case === "cursor" ? Number(request.start.value) : 0;
}

function told(code: Code, reason: string, retryAfterMs?: number): ConnectError {
  const retryDelay = retryAfterMs === undefined ? undefined : durationFromMs(retryAfterMs);
  return new ConnectError("said so", code, undefined, [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason }) },
    ...(retryDelay
      ? [{ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) }]
      : []),
  ]);
}

async function readAll(messages: AsyncIterable<{ chunks: { content: { value?: unknown } }[] }>) {
  const texts: unknown[] = [];
  for await (const { chunks } of messages)
    texts.push(...chunks.map(({ content }) => content.value));
  return texts;
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => `${n}\n`);

describe("followLogs", () => {
  it("has every line once when the connection is cut again and again", async () => {
    const { server, client } = await serve({
      async *streamLogs(request) {
        for (let n = startOf(request); n < 50; n++) {
          yield line(n);
          if (n % 7 === 6 && n >= startOf(request) + 6) {
            await new Promise((resolve) => setImmediate(resolve));
            server.cut();
          }
        }
        yield END;
      },
    });
    expect(await readAll(followLogs(client, {}))).toEqual(numbers(50));
  });

  it("goes on when the server closes the stream without an end", async () => {
    const { client } = await serve({
      async *streamLogs(request) {
        const from = startOf(request);
        if (from < 3) return yield line(from);
        yield END;
      },
    });
    expect(await readAll(followLogs(client, {}))).toEqual(numbers(3));
  });

  it("ends with what is there when it is not to follow", async () => {
    const { client } = await serve({
      async *streamLogs() {
        yield line(0);
      },
    });
    expect(await readAll(followLogs(client, { follow: false }))).toEqual(numbers(1));
  });

  it("waits as long as the server asks", async () => {
    const seen: number[] = [];
    const { client } = await serve({
      // biome-ignore lint/correctness/useYield: a stream that fails before its first message
      async *streamLogs() {
        seen.push(performance.now());
        if (seen.length < 3) throw told(Code.Unavailable, "STARTING_UP", 120);
        throw told(Code.NotFound, "SERVICE_NOT_FOUND");
      },
    });
    const delays: number[] = [];
    const logs = followLogs(client, {}, { onRetry: (_, delayMs) => delays.push(delayMs) });
    await expect(readAll(logs)).rejects.toMatchObject({ code: Code.NotFound });
    expect(delays).toHaveLength(2);
    expect(delays.every((delayMs) => delayMs >= 120 && delayMs <= 150)).toBe(true);
    expect((seen[2] ?? 0) - (seen[0] ?? 0)).toBeGreaterThanOrEqual(238);
  });

  it("throws what is not a lost connection", async () => {
    const { client } = await serve({
      async *streamLogs() {
        yield line(0);
        throw told(Code.OutOfRange, "CURSOR_EXPIRED");
      },
    });
    await expect(readAll(followLogs(client, {}))).rejects.toMatchObject({ code: Code.OutOfRange });
  });

  it("gives up after the time that it is given", async () => {
    const client = createClient({ address: "http://127.0.0.1:1" });
    const logs = followLogs(client, {}, { giveUpAfterMs: 200 });
    await expect(readAll(logs)).rejects.toMatchObject({ code: Code.Unavailable });
  });

  it("ends quietly when its signal is aborted, during a stream and during a wait", async () => {
    const { client } = await serve({
      async *streamLogs(_, { signal }) {
        yield line(0);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    const during = new AbortController();
    const texts: unknown[] = [];
    for await (const { chunks } of followLogs(client, {}, { signal: during.signal })) {
      texts.push(chunks[0]?.content.value);
      setImmediate(() => during.abort());
    }
    expect(texts).toEqual(["0\n"]);

    const waiting = new AbortController();
    const away = createClient({ address: "http://127.0.0.1:1" });
    const onRetry = () => setImmediate(() => waiting.abort());
    await readAll(followLogs(away, {}, { signal: waiting.signal, onRetry }));
  });

  it("cancels the call when its consumer leaves", async () => {
    const cancelled = Promise.withResolvers<void>();
    const { client } = await serve({
      async *streamLogs(_, { signal }) {
        signal.addEventListener("abort", () => cancelled.resolve());
        for (let n = 0; ; n++) {
          yield line(n);
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
    });
    for await (const _ of followLogs(client, {})) break;
    await cancelled.promise;
  });

  it("leaves out heartbeats and empty messages", async () => {
    const { client } = await serve({
      async *streamLogs() {
        yield { cursor: "0" };
        yield line(0);
        yield { cursor: "1", event: { case: "heartbeat", value: {} } };
        yield END;
      },
    });
    const kinds: unknown[] = [];
    for await (const { chunks, event } of followLogs(client, {})) {
      kinds.push(event.case ?? chunks.length);
    }
    expect(kinds).toEqual([1, "end"]);
  });
});

describe("watchStatus", () => {
  const change = (revision: number) => ({ revision: BigInt(revision) });

  function brief({ reset, snapshotComplete, changes, cursor }: StatusUpdate) {
    const revisions = changes.map(({ revision }) => Number(revision));
    return { reset, snapshotComplete, cursor, revisions };
  }

  it("goes on from its cursor, and begins a snapshot anew that was cut", async () => {
    const asked: string[] = [];
    const updates: StatusUpdate[] = [];
    const { server, client } = await serve({
      async *watchStatus(request: WatchStatusRequest) {
        asked.push(request.cursor);
        if (request.cursor === "") {
          yield { changes: [change(1)], cursor: "inside" };
          if (asked.length === 1) {
            await eventually(() => updates.length === 1);
            server.cut();
          }
          yield { changes: [change(2)], cursor: "2", snapshotComplete: true };
          await eventually(() => updates.length === 3);
          server.cut();
        }
        yield { heartbeat: true, cursor: "2" };
        yield { changes: [change(3)], cursor: "3" };
      },
    });
    for await (const update of watchStatus(client)) if (updates.push(update) === 4) break;
    expect(asked).toEqual(["", "", "2"]);
    expect(updates.map(brief)).toEqual([
      { reset: true, snapshotComplete: false, cursor: "", revisions: [1] },
      { reset: true, snapshotComplete: false, cursor: "", revisions: [1] },
      { reset: false, snapshotComplete: true, cursor: "2", revisions: [2] },
      { reset: false, snapshotComplete: false, cursor: "3", revisions: [3] },
    ]);
  });

  it("says so when it has to begin anew since its cursor expired", async () => {
    const { client } = await serve({
      async *watchStatus(request) {
        if (request.cursor === "old") throw told(Code.OutOfRange, "CURSOR_EXPIRED");
        yield { cursor: "9", snapshotComplete: true };
      },
    });
    for await (const update of watchStatus(client, { cursor: "old" })) {
      expect(brief(update)).toEqual({
        reset: true,
        snapshotComplete: true,
        cursor: "9",
        revisions: [],
      });
      break;
    }
    expect.assertions(1);
  });
});
