import { readdirSync, readFileSync, statSync } from "node:fs";
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

    const secrets = holding("s3cret-value", server.dataDir);
    expect(secrets.length).toBeGreaterThan(0);
    expect(secrets.filter((name) => !/\/(instances\/1\/|launch\.json$)/.test(name))).toEqual([]);

    await server.client.stopServices({
      target: { case: "serviceId", value: services[0]?.serviceId ?? "" },
      force: true,
    });
    await eventually(() => holding("s3cret-value", server.dataDir).length === 0);
  });
});

/** Files that hold the text anywhere. */
function holding(text: string, directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => {
    const path = join(directory, name);
    return statSync(path).isFile() && readFileSync(path).includes(text);
  });
}
