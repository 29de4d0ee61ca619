import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import {
  LogStream,
  type StreamLogsRequest,
  type StreamLogsResponse,
} from "../../gen/workspace/runtime/v1/log_pb.ts";
import { createClient, followLogs } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { startServer } from "../support/server.ts";
import { realizePrimary, shellService } from "../support/workspace.ts";

const LINES = 300_000;
const NAMES = ["a", "b", "c"];

/** What was told of each service, by its name. */
function createRecord() {
  const texts = new Map<string, string[]>();
  let bytes = 0;
  let ends = 0;
  return {
    take({ chunks, event }: StreamLogsResponse) {
      expect(event.case).not.toBe("gap");
      if (event.case === "end") ends += 1;
      for (const { serviceName, stream, content } of chunks) {
        // On stderr the shells say what ended their sleep.
        if (stream === LogStream.STDERR) continue;
        const text = String(content.value);
        const pieces = texts.get(serviceName) ?? [];
        texts.set(serviceName, pieces);
        pieces.push(text);
        bytes += text.length;
      }
    },
    bytes: () => bytes,
    ends: () => ends,
    endsWith: (name: string, text: string) => texts.get(name)?.at(-1)?.endsWith(text) ?? false,
    text: (name: string) => (texts.get(name) ?? []).join(""),
  };
}

it("hazards 20, 40, 45: three services at full speed are told as one, nothing lost or doubled over reconnects and kill -9 of the server", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "wsrt-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 }));
  const first = await startServer({ dataDir });
  onTestFinished(() => first.kill("SIGKILL").then(() => {}));
  const workspace = await realizePrimary(first);
  onTestFinished(() => workspace.remove());
  // Found through the data directory: the next server listens on another port.
  using client = createClient({ dataDir });
  const write = (name: string) =>
    `until [ -e go ]; do sleep 0.01; done; seq -f '${name} %.0f' 1 ${LINES}; trap 'echo ${name} ends; exit' TERM; while :; do sleep 0.1; done`;
  await client.ensureServices({
    runId: "run",
    workspaceId: workspace.workspaceId,
    services: NAMES.map((name) =>
      shellService(name, write(name), {
        stopPolicy: { policy: { case: "onRunFinish", value: {} } },
      }),
    ),
  });

  const runSource = { case: "runId", value: "run" } as const;
  const whole = createRecord();
  const following = (async () => {
    for await (const message of followLogs(client, { source: runSource })) whole.take(message);
  })();
  // Of the workspace, with a new call each few messages.
  const pieces = createRecord();
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const reconnecting = (async () => {
    const source = { case: "workspaceId", value: workspace.workspaceId } as const;
    let start: StreamLogsRequest["start"] = { case: undefined };
    for (let call = 0; !stop.signal.aborted; call++) {
      const some = new AbortController();
      const signal = AbortSignal.any([some.signal, stop.signal]);
      let left = 2 + (call % 5);
      for await (const message of followLogs(client, { source, start }, { signal })) {
        pieces.take(message);
        start = { case: "cursor", value: message.cursor };
        left -= 1;
        if (left === 0) break;
      }
      some.abort();
    }
  })();

  writeFileSync(join(workspace.cwd, "go"), "");
  await eventually(() => whole.bytes() > 1_000_000, { timeoutMs: 30_000 });
  await first.kill("SIGKILL");
  const second = await startServer({ dataDir });
  onTestFinished(() => second.stop());

  await eventually(() => NAMES.every((name) => pieces.endsWith(name, `${name} ${LINES}\n`)), {
    timeoutMs: 60_000,
    intervalMs: 100,
  });
  await client.releaseRun({ runId: "run" });
  // The stream of the run ends by itself, behind the last words of its services.
  await following;
  expect(whole.ends()).toBe(1);
  await eventually(() => NAMES.every((name) => pieces.endsWith(name, `${name} ends\n`)));
  stop.abort();
  await reconnecting;
  for (const name of NAMES) {
    let expected = "";
    for (let number = 1; number <= LINES; number++) expected += `${name} ${number}\n`;
    expected += `${name} ends\n`;
    expect(whole.text(name) === expected).toBe(true);
    expect(pieces.text(name) === expected).toBe(true);
  }
  expect(pieces.ends()).toBe(0);
}, 150_000);
