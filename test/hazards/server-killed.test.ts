import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { eventually } from "../support/eventually.ts";
import type { TestServer } from "../support/server.ts";
import { startServer } from "../support/server.ts";
import { isAlive, realizePrimary, shellService } from "../support/workspace.ts";

/** Everything that one StreamLogs call gives until `enough`, with the last cursor. */
async function readLog(
  server: TestServer,
  serviceId: string,
  from: string | undefined,
  enough: (text: string) => boolean,
): Promise<{ text: string; cursor: string }> {
  const stop = new AbortController();
  let text = "";
  let cursor = from ?? "";
  const stream = server.client.streamLogs(
    {
      source: { case: "serviceId", value: serviceId },
      follow: true,
      ...(from === undefined ? {} : { start: { case: "cursor", value: from } }),
    },
    { signal: AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]) },
  );
  try {
    for await (const message of stream) {
      expect(message.event.case).not.toBe("gap");
      for (const chunk of message.chunks) text += chunk.content.value;
      cursor = message.cursor;
      if (enough(text)) break;
    }
  } finally {
    stop.abort();
  }
  return { text, cursor };
}

function numbers(text: string): number[] {
  return text.split("\n").filter(Boolean).map(Number);
}

describe("hazard 20: the server is killed while services log", () => {
  it("is not noticed by the service; the next server has the same id, pid and every line once", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "wsrt-"));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    const first = await startServer({ dataDir });
    const workspace = await realizePrimary(first);
    onTestFinished(() => workspace.remove());
    const { services } = await first.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: [
        shellService(
          "ticker",
          "i=0; while :; do i=$((i+1)); echo $i; echo x > /dev/null; sleep 0.01; done",
        ),
        // Ends while no server runs.
        shellService("short", "sleep 1; echo last >&2; exit 7", {
          readiness: {},
        }),
      ],
    });
    const [ticker, short] = services;
    const before = await readLog(
      first,
      ticker?.serviceId ?? "",
      undefined,
      (text) => numbers(text).length > 20,
    );
    await first.kill("SIGKILL");
    expect(isAlive(Number(ticker?.providerRef))).toBe(true);
    await eventually(() => !isAlive(Number(short?.providerRef)));

    const second = await startServer({ dataDir });
    onTestFinished(() => second.stop());
    const { service } = await second.client.getService({ serviceId: ticker?.serviceId ?? "" });
    expect(service).toMatchObject({
      state: ServiceState.RUNNING,
      providerRef: ticker?.providerRef,
      instance: 1,
      restartCount: 0,
    });
    const after = await readLog(
      second,
      ticker?.serviceId ?? "",
      before.cursor,
      (text) => numbers(text).length > 20,
    );
    const lines = numbers(before.text + after.text);
    expect(lines).toEqual(lines.map((_, index) => index + 1));

    const ended = await second.client.getService({ serviceId: short?.serviceId ?? "" });
    expect(ended.service).toMatchObject({ state: ServiceState.FAILED, exit: { code: 7 } });
    const { reconcile } = await second.client.getRuntimeInfo({});
    expect(reconcile).toMatchObject({ reconciled: 2, adopted: 1, stopped: 1 });
  });

  it("keeps every line that is written through /dev/stderr and /dev/stdout", async () => {
    const server = await startServer();
    onTestFinished(() => server.stop());
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    const { services } = await server.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: [
        shellService(
          "device",
          "echo 1; echo 2 > /dev/stdout; echo e1 >&2; echo e2 > /dev/stderr; echo 3; echo e3 >&2; sleep 600",
        ),
      ],
    });
    const { text } = await readLog(
      server,
      services[0]?.serviceId ?? "",
      undefined,
      (read) => read.includes("3\n") && read.includes("e3\n"),
    );
    expect(text.split("\n").filter((line) => /^\d/.test(line))).toEqual(["1", "2", "3"]);
    expect(text.split("\n").filter((line) => line.startsWith("e"))).toEqual(["e1", "e2", "e3"]);
  });
});
