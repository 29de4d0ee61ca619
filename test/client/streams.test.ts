import { randomBytes } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { bothClients } from "./both-clients.ts";
import { startFakeServer } from "./fake-server.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const MESSAGE_BYTES = 256 * 1024;
/** No zeros and no pattern: this server would compress them for a client that takes that. */
const BLOCK = randomBytes(MESSAGE_BYTES);

describe.each(bothClients)("a stream of $name", ({ create }) => {
  /** Sends `messages`, then waits for the end of the call, fails as told, or ends. */
  async function serve(messages: number, then: "wait" | "end" | ConnectError = "wait") {
    const state = { sent: 0, ended: false };
    const server = await startFakeServer({
      async *streamLogs(_, { signal, responseHeader, responseTrailer }) {
        responseHeader.set("x-head", "h");
        responseTrailer.set("x-tail", "t");
        signal.addEventListener("abort", () => {
          state.ended = true;
        });
        for (; state.sent < messages && !signal.aborted; state.sent++) {
          const content = { case: "data" as const, value: BLOCK };
          yield { cursor: `${state.sent}`, chunks: [{ content }] };
        }
        if (then instanceof ConnectError) throw then;
        if (then === "wait" && !signal.aborted) {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        }
      },
      getRuntimeInfo: () => ({ version: "here" }),
    });
    cleanups.push(() => server.close());
    const client = create({ address: server.address, token: "t" });
    cleanups.push(() => client.close());
    return { server, client, state };
  }

  it("gives all messages in order, header before and trailer after them, and ends", async () => {
    const { client } = await serve(40, "end");
    const told: string[] = [];
    const options = {
      onHeader: (header: Headers) => void told.push(`head ${header.get("x-head")}`),
      onTrailer: (trailer: Headers) => void told.push(`tail ${trailer.get("x-tail")}`),
    };
    for await (const { cursor, chunks } of client.streamLogs({}, options)) {
      told.push(cursor);
      expect(chunks[0]?.content.value).toHaveLength(MESSAGE_BYTES);
    }
    const cursors = Array.from({ length: 40 }, (_, index) => `${index}`);
    expect(told).toEqual(["head h", ...cursors, "tail t"]);
  });

  it("holds the server back while nobody takes its messages", async () => {
    const { client, state } = await serve(2_000);
    const messages = client.streamLogs({})[Symbol.asyncIterator]();
    await messages.next();
    // No more is sent once the windows are full: the count stands still, far from the end.
    let last = -1;
    await expect
      .poll(
        () => {
          const stands = state.sent === last;
          last = state.sent;
          return stands;
        },
        { interval: 300, timeout: 20_000 },
      )
      .toBe(true);
    expect(state.sent * MESSAGE_BYTES).toBeLessThan(32 * 1024 * 1024);
    // And the client can take the rest.
    for (let taken = 1; taken < 200; taken++) await messages.next();
    expect(state.sent).toBeGreaterThanOrEqual(200);
    await messages.return?.();
  });

  it("ends on the server when the loop is left", async () => {
    const { client, state } = await serve(3);
    for await (const { cursor } of client.streamLogs({})) if (cursor === "2") break;
    await expect.poll(() => state.ended, { timeout: 10_000 }).toBe(true);
    expect((await client.getRuntimeInfo({})).version).toBe("here");
  });

  it("ends with CANCELLED by the caller's signal and when the client is closed", async () => {
    for (const how of ["signal", "close"] as const) {
      const { client, state } = await serve(1);
      const controller = new AbortController();
      const read = async () => {
        for await (const _ of client.streamLogs({}, { signal: controller.signal })) {
          if (how === "signal") controller.abort();
          else client.close();
        }
      };
      await expect(read()).rejects.toMatchObject({ code: Code.Canceled });
      await expect.poll(() => state.ended, { timeout: 10_000 }).toBe(true);
      // A later call connects again.
      expect((await client.getRuntimeInfo({})).version).toBe("here");
    }
  });

  it("ends with the server's error after the messages that were taken", async () => {
    const { client } = await serve(3, new ConnectError("no more", Code.OutOfRange));
    const cursors: string[] = [];
    const read = async () => {
      for await (const { cursor } of client.streamLogs({})) cursors.push(cursor);
    };
    await expect(read()).rejects.toMatchObject({ code: Code.OutOfRange, rawMessage: "no more" });
    expect(cursors).toEqual(["0", "1", "2"].slice(0, cursors.length));
  });

  it("ends with UNAVAILABLE when the connection breaks, and by its deadline", async () => {
    const { server, client } = await serve(1);
    const cut = async () => {
      for await (const _ of client.streamLogs({})) server.cut();
    };
    await expect(cut()).rejects.toMatchObject({ code: Code.Unavailable });
    const wait = async () => {
      for await (const _ of client.streamLogs({}, { timeoutMs: 50 }));
    };
    await expect(wait()).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  });
});
