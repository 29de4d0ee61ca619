import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createLineSplitter,
  type LogLine,
  LogStream,
  type StreamLogsResponse,
  StreamLogsResponseSchema,
  splitLines,
} from "../../src/client/index.ts";

interface Piece {
  readonly bytes: string | Uint8Array;
  readonly stream?: LogStream;
  readonly service?: string;
  readonly instance?: number;
}

/** A message as the server sends it: text if the bytes are valid UTF-8. */
function message(...pieces: Piece[]): StreamLogsResponse {
  return create(StreamLogsResponseSchema, {
    chunks: pieces.map(({ bytes, stream = LogStream.STDOUT, service = "s", instance = 1 }) => {
      const data = Buffer.from(bytes as Uint8Array);
      const text = data.toString();
      const isText = Buffer.from(text).equals(data);
      return {
        serviceId: service,
        stream,
        instance,
        content: isText
          ? { case: "text" as const, value: text }
          : { case: "data" as const, value: new Uint8Array(data) },
      };
    }),
  });
}

const brief = (lines: LogLine[]) => lines.map(({ text, partial }) => (partial ? `${text}…` : text));

describe("createLineSplitter", () => {
  it("joins a line that comes in pieces", () => {
    const splitter = createLineSplitter();
    expect(brief(splitter.push(message({ bytes: "a\nb" })))).toEqual(["a"]);
    expect(brief(splitter.push(message({ bytes: "c" })))).toEqual([]);
    expect(brief(splitter.push(message({ bytes: "d\n\ne" })))).toEqual(["bcd", ""]);
    expect(brief(splitter.flush())).toEqual(["e…"]);
    expect(splitter.flush()).toEqual([]);
  });

  it("keeps streams and services apart", () => {
    const splitter = createLineSplitter();
    const lines = splitter.push(
      message(
        { bytes: "out-" },
        { bytes: "err\n", stream: LogStream.STDERR },
        { bytes: "other\n", service: "t" },
        { bytes: "put\n" },
      ),
    );
    expect(lines.map(({ serviceId, stream, text }) => [serviceId, stream, text])).toEqual([
      ["s", LogStream.STDERR, "err"],
      ["t", LogStream.STDOUT, "other"],
      ["s", LogStream.STDOUT, "out-put"],
    ]);
  });

  it("joins a character that was cut between two chunks", () => {
    const bytes = Buffer.from("naïve €\n");
    const splitter = createLineSplitter();
    for (const byte of bytes.subarray(0, -1)) {
      expect(splitter.push(message({ bytes: Uint8Array.of(byte) }))).toEqual([]);
    }
    const [line] = splitter.push(message({ bytes: "\n" }));
    expect(line).toMatchObject({ text: "naïve €", partial: false });
    expect(line).not.toHaveProperty("data");
  });

  it("hands on bytes that are no UTF-8 as they are", () => {
    const [line] = createLineSplitter().push(message({ bytes: Uint8Array.of(0xff, 0x00, 10) }));
    expect(line?.text).toBe("\ufffd\0");
    expect(line?.data).toEqual(Uint8Array.of(0xff, 0x00));
  });

  it("keeps carriage returns", () => {
    expect(brief(createLineSplitter().push(message({ bytes: "a\r\nb\rc\n" })))).toEqual([
      "a\r",
      "b\rc",
    ]);
  });

  it("ends the line of a process with the process", () => {
    const splitter = createLineSplitter();
    splitter.push(message({ bytes: "cut" }));
    expect(brief(splitter.push(message({ bytes: "new\n", instance: 2 })))).toEqual(["cut…", "new"]);
  });

  it("ends a line at a gap in its stream, and at no other", () => {
    const splitter = createLineSplitter();
    splitter.push(message({ bytes: "out" }, { bytes: "err", stream: LogStream.STDERR }));
    const gap = create(StreamLogsResponseSchema, {
      event: { case: "gap", value: { stream: LogStream.STDOUT, bytes: 9n } },
    });
    expect(brief(splitter.push(gap))).toEqual(["out…"]);
    expect(brief(splitter.flush())).toEqual(["err…"]);
  });

  it("cuts a line without an end into pieces, never through a character", () => {
    const splitter = createLineSplitter({ maxLineBytes: 10 });
    const lines: LogLine[] = [];
    for (let i = 0; i < 20; i++) lines.push(...splitter.push(message({ bytes: "€€" })));
    lines.push(...splitter.push(message({ bytes: "\n" })));
    expect(lines.map(({ text }) => text).join("")).toBe("€".repeat(40));
    expect(lines.every(({ data }) => data === undefined)).toBe(true);
    expect(lines.map(({ partial }) => partial)).toEqual([
      ...Array(lines.length - 1).fill(true),
      false,
    ]);
  });

  it("loses and alters no byte, however the log is cut", () => {
    const log = fc
      .uint8Array({ maxLength: 200 })
      .map((bytes) => bytes.map((b) => (b % 7 ? b : 10)));
    const cuts = fc.array(fc.nat({ max: 40 }), { maxLength: 30 });
    fc.assert(
      fc.property(log, cuts, fc.integer({ min: 4, max: 64 }), (bytes, sizes, maxLineBytes) => {
        const splitter = createLineSplitter({ maxLineBytes });
        const lines: LogLine[] = [];
        let from = 0;
        for (const size of [...sizes, bytes.length]) {
          lines.push(...splitter.push(message({ bytes: bytes.slice(from, from + size) })));
          from += size;
        }
        lines.push(...splitter.flush());
        const joined = lines.map(({ text, data, partial }) =>
          Buffer.concat([data ?? Buffer.from(text), Buffer.from(partial ? "" : "\n")]),
        );
        expect(Buffer.concat(joined)).toEqual(Buffer.from(bytes));
      }),
    );
  });
});

describe("splitLines", () => {
  it("gives the lines of a stream of messages, the unfinished last one included", async () => {
    async function* messages() {
      yield message({ bytes: "a\nb" });
      yield message({ bytes: "\nc" });
    }
    const lines: LogLine[] = [];
    for await (const line of splitLines(messages())) lines.push(line);
    expect(brief(lines)).toEqual(["a", "b", "c…"]);
  });
});
