import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import {
  LogStream,
  type ReadLogsRequest,
  ReadLogsRequestSchema,
  type StreamLogsRequest,
  StreamLogsRequestSchema,
  type StreamLogsResponse,
} from "../../gen/workspace/runtime/v1/log_pb.ts";
import type { CallContext } from "../../src/rpc/context.ts";
import { createLogHandlers } from "../../src/rpc/log-handlers.ts";
import type { FollowGroupOptions } from "../../src/runs/follow-group.ts";
import type { LogEndFacts } from "../../src/runs/log-source.ts";
import { append, openLog, systemClock } from "../logs/support/log-fixture.ts";

/** A real log on disk behind the handlers, and what the world says of its end. */
async function logOf(content: { stdout?: string | Uint8Array; stderr?: string | Uint8Array }) {
  const { directory, log, logs } = await openLog();
  if (content.stdout) await append(directory, "STDOUT", content.stdout);
  if (content.stderr) await append(directory, "STDERR", content.stderr);
  const state: { end: LogEndFacts | undefined } = { end: undefined };
  const groups: FollowGroupOptions[] = [];
  const handlers = createLogHandlers(
    {
      async openLog() {
        return undefined;
      },
      async open() {
        return {
          log: await logs.open(directory),
          serviceId: "svc",
          serviceName: "web",
          operationId: "",
          ended: () => state.end,
        };
      },
    },
    (options) => {
      groups.push(options);
      return (async function* () {})();
    },
    systemClock,
  );
  const abort = new AbortController();
  const context: CallContext = { signal: abort.signal, principal: { kind: "local" } };
  return {
    directory,
    log,
    logs,
    groups,
    abort,
    end(facts: LogEndFacts) {
      state.end = facts;
      log.wake();
    },
    stream: (init: Init<StreamLogsRequest> = {}) =>
      handlers.streamLogs(create(StreamLogsRequestSchema, { source, ...init }), context),
    read: (init: Init<ReadLogsRequest> = {}) =>
      handlers.readLogs(create(ReadLogsRequestSchema, { source, ...init }), context),
  };
}

type Init<T> = Partial<Omit<T, "$typeName" | "$unknown">>;

const source = { case: "serviceId" as const, value: "svc" };

async function all(stream: AsyncIterable<StreamLogsResponse>): Promise<StreamLogsResponse[]> {
  const messages: StreamLogsResponse[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

const textOf = (messages: { chunks: StreamLogsResponse["chunks"] }[]) =>
  messages.flatMap(({ chunks }) => chunks.map(({ content }) => content.value)).join("");

describe("StreamLogs", () => {
  it("says something at once, then tells what there is, whose it is, and ends", async () => {
    const { stream } = await logOf({ stdout: "one\ntwo\n" });
    const messages = await all(stream());
    expect(messages[0]?.event.case).toBe("heartbeat");
    expect(messages[0]?.cursor).not.toBe("");
    expect(messages[1]?.chunks).toMatchObject([
      {
        serviceId: "svc",
        serviceName: "web",
        stream: LogStream.STDOUT,
        content: { case: "text", value: "one\ntwo\n" },
        partial: false,
      },
    ]);
    expect(messages).toHaveLength(2);
  });

  it("follows until the end, which comes last and with the exit", async () => {
    const { stream, directory, log, end } = await logOf({ stdout: "old\n" });
    const messages = stream({ follow: true })[Symbol.asyncIterator]();
    const next = async () => (await messages.next()).value as StreamLogsResponse;
    expect((await next()).event.case).toBe("heartbeat");
    expect(textOf([await next()])).toBe("old\n");
    await append(directory, "STDOUT", "new\n");
    log.wake();
    expect(textOf([await next()])).toBe("new\n");
    end({ exit: { code: 3, exitTime: 1_000 } });
    expect((await next()).event).toMatchObject({ case: "end", value: { exit: { code: 3 } } });
    expect((await messages.next()).done).toBe(true);
  });

  it("goes on from any of its cursors, the first one included", async () => {
    const { stream, end } = await logOf({ stdout: "one\ntwo\n" });
    end({});
    const messages = await all(stream());
    for (const [index, { cursor }] of messages.entries()) {
      const rest = await all(stream({ start: { case: "cursor", value: cursor } }));
      expect(textOf(rest)).toBe(textOf(messages.slice(index + 1)));
    }
  });

  it("sends bytes that are no text as they are", async () => {
    const bytes = Uint8Array.from([0x66, 0xff, 0x00, 0x0a]);
    const { stream } = await logOf({ stdout: bytes });
    const [, message] = await all(stream());
    expect(message?.chunks[0]?.content.case).toBe("data");
    expect(Buffer.from(message?.chunks[0]?.content.value as Uint8Array)).toEqual(
      Buffer.from(bytes),
    );
  });

  it("begins with the last lines, or with a time, of the chosen stream", async () => {
    const { stream } = await logOf({ stdout: "1\n2\n3\n", stderr: "e\n" });
    const streams = [LogStream.STDOUT];
    expect(textOf(await all(stream({ streams, start: { case: "tailLines", value: 2 } })))).toBe(
      "2\n3\n",
    );
    const future = timestampFromMs(Date.now() + 60_000);
    expect(textOf(await all(stream({ start: { case: "sinceTime", value: future } })))).toBe("");
  });

  it("gives its hold of the log back, however it ends", async () => {
    const { stream, logs, log, abort } = await logOf({ stdout: "x\n" });
    log.release();
    await all(stream());
    await expect(all(stream({ start: { case: "cursor", value: "junk" } }))).rejects.toThrow(
      "cursor",
    );
    const stopped = stream({ follow: true })[Symbol.asyncIterator]();
    await stopped.next();
    expect(logs.counts()).toMatchObject({ open: 1, readers: 1 });
    abort.abort();
    await stopped.return?.();
    expect(logs.counts()).toMatchObject({ open: 0, readers: 0 });
  });

  it("hands over runs and workspaces, whose logs are several", async () => {
    const { stream, groups } = await logOf({});
    await all(stream({ source: { case: "runId", value: "r" }, follow: true }));
    const start = { case: "tailLines", value: 3 } as const;
    const streams = [LogStream.STDERR];
    await all(stream({ source: { case: "workspaceId", value: "w" }, start, streams }));
    expect(groups).toMatchObject([
      { group: { kind: "run", runId: "r" }, start: { kind: "beginning" }, follow: true },
      {
        group: { kind: "workspace", workspaceId: "w" },
        start: { kind: "tail", lines: 3 },
        streams: ["STDERR"],
        follow: false,
      },
    ]);
  });

  it("refuses what makes no sense", async () => {
    const { stream } = await logOf({});
    await expect(all(stream({ source: { case: undefined } }))).rejects.toThrow(
      "source: is required",
    );
    await expect(all(stream({ start: { case: "tailLines", value: -1 } }))).rejects.toThrow(
      "tail_lines: must not be negative",
    );
  });
});

describe("ReadLogs", () => {
  it("gives a page, where the next begins, and at the end the end", async () => {
    const { read, end } = await logOf({ stdout: "12345\n".repeat(100) });
    let cursor = "";
    let seen = "";
    let pages = 0;
    for (;;) {
      const start = cursor === "" ? {} : { start: { case: "cursor" as const, value: cursor } };
      const page = await read({ maxBytes: 60, ...start });
      if (page.chunks.length === 0) break;
      expect(page.end).toBeUndefined();
      seen += textOf([page]);
      cursor = page.cursor;
      pages += 1;
    }
    expect([seen, pages]).toEqual(["12345\n".repeat(100), 10]);
    end({ exit: { signal: "SIGKILL", exitTime: 5 } });
    const last = await read({ start: { case: "cursor", value: cursor } });
    expect(last.end?.exit?.signal).toBe("SIGKILL");
    const whole = await read({});
    expect(whole.end?.exit?.signal).toBe("SIGKILL");
    expect((await read({ maxBytes: 60 })).end).toBeUndefined();
  });

  it("takes pages of up to 1 MiB", async () => {
    const { read } = await logOf({ stdout: "x" });
    await expect(read({ maxBytes: 1024 * 1024 })).resolves.toBeDefined();
    await expect(read({ maxBytes: 1024 * 1024 + 1 })).rejects.toThrow("max_bytes");
    await expect(read({ maxBytes: -1 })).rejects.toThrow("max_bytes");
  });

  it("gives its hold of the log back", async () => {
    const { read, log, logs } = await logOf({ stdout: "x" });
    log.release();
    await read();
    await expect(read({ start: { case: "cursor", value: "junk" } })).rejects.toThrow();
    expect(logs.counts().open).toBe(0);
  });
});
