import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";
import { httpService, realizePrimary, type TestWorkspace } from "../support/workspace.ts";

/** Living processes that have `text` in their command line. */
function processesWith(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe("hazard 8: concurrent ensures of one identity", () => {
  let server: TestServer;
  let workspace: TestWorkspace;
  beforeAll(async () => {
    server = await startServer();
    workspace = await realizePrimary(server);
  });
  afterAll(async () => {
    await server.stop();
    workspace.remove();
  });

  it("start one process for 100 runs, and exactly one is told that it started it", async () => {
    const mark = `one-of-100-${process.pid}`;
    const base = httpService("web");
    const command = `${base.process?.value as string} ${mark}`;
    const spec = { ...base, process: { case: "command" as const, value: command } };
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, run) =>
        server.client.ensureServices({
          runId: `run-${run}`,
          workspaceId: workspace.workspaceId,
          services: [spec],
        }),
      ),
    );
    const services = answers.map(({ services: [service] }) => service);
    expect(new Set(services.map((service) => service?.serviceId)).size).toBe(1);
    expect(services.filter((service) => service?.reused === false)).toHaveLength(1);
    expect(processesWith(mark)).toEqual([Number(services[0]?.providerRef)]);

    const { service } = await server.client.getService({
      serviceId: services[0]?.serviceId ?? "",
    });
    expect(service?.leaseRunIds).toHaveLength(100);
  });
});
