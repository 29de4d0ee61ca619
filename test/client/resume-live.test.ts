import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import {
  createClient,
  followLogs,
  ServiceState,
  splitLines,
  watchStatus,
} from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { startServer } from "../support/server.ts";
import { realizePrimary, shellService } from "../support/workspace.ts";

it.each(["SIGKILL", "SIGTERM"] as const)(
  "one client follows a log and the status over %s of the server: each line once, the end at the end",
  async (signal) => {
    const dataDir = mkdtempSync(join(tmpdir(), "resume-"));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 }));
    const first = await startServer({ dataDir });
    onTestFinished(() => first.kill("SIGKILL").then(() => {}));
    const workspace = await realizePrimary(first);
    onTestFinished(() => workspace.remove());
    // Found through the data directory: the next server listens on another port.
    using client = createClient({ dataDir });
    const { services } = await client.ensureServices({
      runId: "r",
      workspaceId: workspace.workspaceId,
      services: [shellService("count", "n=0; while :; do n=$((n+1)); echo $n; sleep 0.01; done")],
    });
    const serviceId = services[0]?.serviceId ?? "";

    const lines: number[] = [];
    const reading = (async () => {
      const source = { case: "serviceId", value: serviceId } as const;
      for await (const { text } of splitLines(followLogs(client, { source })))
        lines.push(Number(text));
    })();
    const states: ServiceState[] = [];
    const ending = new AbortController();
    const watching = (async () => {
      const request = { serviceIds: [serviceId] };
      for await (const { changes } of watchStatus(client, request, { signal: ending.signal })) {
        for (const { resource } of changes) {
          if (resource.case === "service") states.push(resource.value.state);
        }
      }
    })();
    await eventually(() => lines.length > 50, { timeoutMs: 20_000 });
    await eventually(() => states.includes(ServiceState.RUNNING));

    await first.kill(signal);
    const before = lines.length;
    const second = await startServer({ dataDir });
    onTestFinished(() => second.stop());
    await eventually(() => lines.length > before + 100, { timeoutMs: 30_000 });
    await client.stopServices({ target: { case: "serviceId", value: serviceId }, force: true });
    await reading;
    expect(lines).toEqual(lines.map((_, index) => index + 1));
    await eventually(() => states.at(-1) === ServiceState.STOPPED);
    ending.abort();
    await watching;
  },
  120_000,
);
