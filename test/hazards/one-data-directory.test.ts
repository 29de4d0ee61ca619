import { spawn } from "node:child_process";
import { describe, expect, it, onTestFinished } from "vitest";
import { startServer } from "../support/server.ts";

describe("hazard 50: two servers on one data directory", () => {
  it("the second refuses, names the pid of the first, and changes nothing", async () => {
    const server = await startServer();
    onTestFinished(() => server.stop());
    const second = spawn(process.execPath, [
      new URL("../../src/main.ts", import.meta.url).pathname,
      ...["serve", "--listen", "127.0.0.1:0", "--data-dir", server.dataDir],
    ]);
    let stderr = "";
    second.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    const code = await new Promise((resolve) => second.once("exit", resolve));
    expect(code).toBe(1);
    expect(stderr).toContain(String(server.pid));
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect((await server.client.getRuntimeInfo({})).installationId).not.toBe("");
  });

  it("a killed server does not bar the next", async () => {
    const first = await startServer();
    await first.kill("SIGKILL");
    const next = await startServer({ dataDir: first.dataDir });
    expect(next.dataDir).toBe(first.dataDir);
    await next.stop();
    await first.stop();
  });
});
