import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { GapReason } from "../../gen/workspace/runtime/v1/log_pb.ts";
import { eventually } from "../support/eventually.ts";
import { startServer } from "../support/server.ts";
import { realizePrimary, shellService } from "../support/workspace.ts";

const MIB = 1024 * 1024;
const WRITTEN = 24 * MIB;
const KEPT = 2 * MIB;

describe("a log that outgrows its retention", () => {
  it("gives its head back to the disk, and tells a reader from the start how much is gone", async () => {
    const server = await startServer();
    onTestFinished(() => server.stop());
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    const line = "x".repeat(99);
    const { services } = await server.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: [
        shellService("writer", `yes ${line} | head -c ${WRITTEN}; echo; echo end; exec sleep 600`, {
          logs: { maxBytes: BigInt(KEPT) },
        } as never),
      ],
    });
    const serviceId = services[0]?.serviceId ?? "";
    const directory = join(server.dataDir, "services", serviceId);
    expect(readdirSync(directory)).toContain("stdout.log");
    await eventually(() => {
      const { size, blocks } = statSync(join(directory, "stdout.log"));
      return size > WRITTEN && blocks * 512 < 4 * KEPT;
    });

    let trimmed = 0;
    let bytes = 0;
    let last = "";
    for await (const { chunks, event } of server.client.streamLogs({
      source: { case: "serviceId", value: serviceId },
    })) {
      if (event.case === "gap") {
        expect(event.value.reason).toBe(GapReason.TRIMMED);
        trimmed += Number(event.value.bytes);
      }
      for (const { content } of chunks) {
        bytes += content.value?.length ?? 0;
        last = String(content.value);
      }
    }
    expect(trimmed + bytes).toBe(WRITTEN + "\nend\n".length);
    expect(trimmed).toBeGreaterThan(WRITTEN - 4 * KEPT);
    expect(last.endsWith("end\n")).toBe(true);
  });
});
