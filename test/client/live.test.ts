import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { checkHealth, errorDetails, followLogs, splitLines } from "../../src/client/index.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { realizePrimary, shellService } from "../support/workspace.ts";
import { bothClients } from "./both-clients.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

describe.each(bothClients)("$name with a live server", ({ create }) => {
  it("calls over TCP with the token and over the socket without one", async () => {
    using tcp = create({ address: server.address, token: server.token });
    using socket = create({ socket: server.socket });
    const info = await tcp.getRuntimeInfo({});
    expect(info.installationId).toBe((await socket.getRuntimeInfo({})).installationId);
  });

  it("learns why it was refused", async () => {
    using client = create({ address: server.address, token: "wrong" });
    const error = await client.listServices({}).catch((thrown: unknown) => thrown);
    expect(errorDetails(error)).toMatchObject({
      code: Code.Unauthenticated,
      reason: "UNAUTHENTICATED",
    });
  });

  it("learns which field was refused", async () => {
    using client = create({ dataDir: server.dataDir });
    const error = await client.realizeWorkspace({}).catch((thrown: unknown) => thrown);
    const { reason, violations } = errorDetails(error);
    expect(reason).toBe("INVALID_FIELD");
    expect(violations.map(({ field }) => field)).toContain("company_id");
  });

  it("finds the server by its data directory, and the next one after it was killed", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "wsrt-client-"));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 }));
    const first = await startServer({ dataDir });
    using client = create({ dataDir });
    const { installationId, startTime } = await client.getRuntimeInfo({});
    await first.kill("SIGKILL");
    const gone = await client.getRuntimeInfo({}, { timeoutMs: 300 }).catch((thrown) => thrown);
    expect([Code.Unavailable, Code.DeadlineExceeded]).toContain(errorDetails(gone).code);
    const second = await startServer({ dataDir });
    onTestFinished(() => second.stop());
    const info = await client.getRuntimeInfo({});
    expect(info.installationId).toBe(installationId);
    expect(info.startTime).not.toEqual(startTime);
  });

  it("follows a log to its end, byte for byte", async () => {
    using client = create({ dataDir: server.dataDir });
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    const { services } = await client.startServices({
      target: { case: "workspaceId", value: workspace.workspaceId },
      services: [shellService("counter", "seq 1 20000; exec sleep 600")],
    });
    const [service] = services;
    const source = { case: "serviceId", value: service?.serviceId ?? "" } as const;
    const lines: string[] = [];
    for await (const { text } of splitLines(followLogs(client, { source }))) {
      lines.push(text);
      if (lines.length === 20_000) break;
    }
    expect(lines).toEqual(Array.from({ length: 20_000 }, (_, index) => `${index + 1}`));
    await client.stopServices({ target: source });
  });
});

describe("checkHealth", () => {
  it("asks for the health without a token, over TCP and over the socket", async () => {
    expect(await checkHealth({ address: server.address, token: "" })).toBe("SERVING");
    expect(await checkHealth({ dataDir: server.dataDir })).toBe("SERVING");
  });
});
