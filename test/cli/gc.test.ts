import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";
import { runCli } from "./run-cli.ts";

describe("gc", { timeout: 60_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.stop());

  const gc = (...args: string[]) => runCli(["gc", "--data-dir", server.dataDir, ...args]);

  it("says what it would remove, and then what it has removed", async () => {
    const orphan = join(server.dataDir, "services", "00000000-0000-7000-8000-000000000000");
    mkdirSync(join(orphan, "instances/1"), { recursive: true });
    expect(await gc("--dry-run")).toEqual({
      code: 0,
      stderr: "",
      stdout:
        "Would remove 0 services, 0 operations, 0 rescues, 1 instance, 0 log files (0.0 MB).\n",
    });
    const { code, stdout } = await gc("--json", "--service-age", "1h", "--rescue-age", "90d");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ instances: "1" });
    expect(existsSync(orphan)).toBe(false);
  });

  it("refuses what is no age", async () => {
    const refused = await gc("--service-age", "soon");
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("--service-age soon is no span");
  });
});
