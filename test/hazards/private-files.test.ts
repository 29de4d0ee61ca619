import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startServer } from "../support/server.ts";
import { realizePrimary, shellService } from "../support/workspace.ts";

describe("hazard 39: what the data directory holds", () => {
  it("can be read by its owner alone, and a stopped service's environment is gone", async () => {
    const server = await startServer();
    onTestFinished(() => server.stop());
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    const { services } = await server.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: [shellService("quiet", "echo hi; sleep 600", { env: { SECRET: "s3cret-value" } })],
    });
    const entries = () =>
      readdirSync(server.dataDir, { recursive: true, encoding: "utf8" }).map((name) => {
        const path = join(server.dataDir, name);
        const stat = statSync(path);
        return { name, mode: stat.mode & 0o777, isDirectory: stat.isDirectory() };
      });
    const exposed = entries().filter(({ mode }) => (mode & 0o077) !== 0);
    expect(exposed).toEqual([]);
    expect(statSync(server.dataDir).mode & 0o777).toBe(0o700);
    const names = entries().map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["token", "identity-key", "store.db"]));

    await server.client.stopServices({
      target: { case: "serviceId", value: services[0]?.serviceId ?? "" },
      force: true,
    });
    const secrets = () =>
      entries().filter(({ name }) => /instances\/1\/(run|env|environment)$/.test(name));
    await eventually(() => secrets().length === 0);
  });
});
