import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Command, InvalidArgumentError } from "commander";
import {
  createLineSplitter,
  followLogs,
  GapReason,
  type LogLine,
  LogStream,
  type StreamLogsRequest,
  type StreamLogsResponse,
} from "../client/index.ts";
import { addConnectionOptions, type ConnectionOptions, withClient } from "./connection.ts";
import { findService } from "./find-service.ts";
import { styled, write, writeLine } from "./terminal.ts";
import { ended, nameOf } from "./words.ts";

/** `logs`: what a service wrote, byte for byte; its standard error to standard error. */
export function logsCommand(): Command {
  return addConnectionOptions(new Command("logs"))
    .description("show what a service wrote")
    .argument("<SERVICE>", "id or name")
    .option("-f, --follow", "go on with what comes, over restarts of server and service")
    .option("-n, --tail <N>", "begin with the last N lines of each stream", parseCount)
    .option(
      "--since <TIME>",
      "begin with what is younger: 10m, 2h or 2026-01-31T12:00:00Z",
      parseSince,
    )
    .option("--json", "one line of JSON for each line")
    .action(logs);
}

interface LogsOptions extends ConnectionOptions {
  readonly follow?: boolean;
  readonly tail?: number;
  readonly since?: Date;
  readonly json?: boolean;
}

async function logs(idOrName: string, options: LogsOptions): Promise<void> {
  await withClient(options, async (client) => {
    const { serviceId } = await findService(client, idOrName);
    const messages = followLogs(
      client,
      {
        source: { case: "serviceId", value: serviceId },
        start: startOf(options),
        follow: options.follow === true,
      },
      { onRetry: (error) => void note(`connection lost (${error.rawMessage}), trying again`) },
    );
    await (options.json ? showAsJson(messages) : show(messages, options.follow === true));
  });
}

function startOf({ tail, since }: LogsOptions): StreamLogsRequest["start"] {
  if (tail !== undefined) return { case: "tailLines", value: tail };
  if (since !== undefined) return { case: "sinceTime", value: timestampFromMs(since.getTime()) };
  return { case: undefined };
}

async function show(messages: AsyncIterable<StreamLogsResponse>, follow: boolean): Promise<void> {
  for await (const { chunks, event } of messages) {
    for (const { content, stream } of chunks) {
      const target = stream === LogStream.STDERR ? process.stderr : process.stdout;
      await write(content.value ?? "", target);
    }
    if (event.case === "gap") {
      const { bytes, stream, reason } = event.value;
      await note(`${bytes} bytes of ${nameOf(LogStream, stream)} are ${nameOf(GapReason, reason)}`);
    }
    if (event.case === "end" && follow && event.value.exit) {
      await note(`ended: ${ended(event.value.exit)}`);
    }
  }
}

async function showAsJson(messages: AsyncIterable<StreamLogsResponse>): Promise<void> {
  const splitter = createLineSplitter();
  for await (const message of messages) {
    for (const line of splitter.push(message)) await writeLine(JSON.stringify(lineAsJson(line)));
    if (message.event.case === "gap") {
      const { bytes, stream, reason } = message.event.value;
      const gap = { bytes: Number(bytes), reason: nameOf(GapReason, reason) };
      await writeLine(JSON.stringify({ stream: nameOf(LogStream, stream), gap }));
    }
  }
  for (const line of splitter.flush()) await writeLine(JSON.stringify(lineAsJson(line)));
}

/** One line of `--json`, here and in `up`; `data` is base64 of bytes that are no UTF-8. */
export function lineAsJson(line: LogLine): Record<string, unknown> {
  return {
    service: line.serviceName,
    serviceId: line.serviceId,
    stream: nameOf(LogStream, line.stream),
    ...(line.time && { time: timestampDate(line.time).toISOString() }),
    instance: line.instance,
    text: line.text,
    ...(line.data && { data: Buffer.from(line.data).toString("base64") }),
    ...(line.partial && { partial: true }),
  };
}

function note(text: string): Promise<void> {
  return writeLine(styled("dim", `[${text}]`, process.stderr), process.stderr);
}

function parseCount(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(value);
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5 };

function parseSince(value: string): Date {
  const [, count, unit = ""] = /^(\d+)([smhd])$/.exec(value) ?? [];
  const time =
    count === undefined
      ? new Date(value)
      : new Date(Date.now() - Number(count) * (UNITS_MS[unit] ?? 0));
  if (Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError(
      "It must be a span such as 10m, or a time such as 2026-01-31T12:00:00Z.",
    );
  }
  return time;
}
