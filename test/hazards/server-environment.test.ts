import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startServer } from "../support/server.ts";
import { realizePrimary, shellService } from "../support/workspace.ts";

describe("hazard 37: what children inherit", () => {
  it("is never a variable of the server's own, but what the config gives and --pass-env names", async () => {
    const server = await startServer({
      args: ["--pass-env", "PASSED_ON"],
      env: {
        AWS_SECRET_ACCESS_KEY: "leak-1",
        NODE_OPTIONS: "--no-warnings",
        LD_PRELOAD: "",
        PAPERCLIP_TOKEN: "leak-2",
        WORKSPACE_RUNTIME_TOKEN: "leak-3",
        PGPASSWORD: "leak-4",
        PASSED_ON: "passed",
      },
    });
    onTestFinished(() => server.stop());
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    await server.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: [
        shellService("env", "env > seen.txt; mv seen.txt done.txt; sleep 600", {
          env: { PAPERCLIP_ON_PURPOSE: "given", NODE_OPTIONS: "--title=given" },
        }),
      ],
    });
    const seen = await eventually(() => readFileSync(join(workspace.cwd, "done.txt"), "utf8"));
    const variables = Object.fromEntries(
      seen
        .split("\n")
        .filter(Boolean)
        .map((line) => line.split(/=(.*)/s).slice(0, 2)),
    );
    expect(seen).not.toContain("leak");
    expect(variables).toMatchObject({
      PAPERCLIP_ON_PURPOSE: "given",
      NODE_OPTIONS: "--title=given",
      PASSED_ON: "passed",
      PATH: expect.stringContaining("/bin"),
    });
    // The marker tells our processes from others'; of the shim's own variables none is left.
    const own = Object.keys(variables).filter((name) => /^(WORKSPACE_RUNTIME|WSRT)/.test(name));
    expect(own).toEqual(["WORKSPACE_RUNTIME_MARKER"]);
    expect(variables).not.toHaveProperty("PAPERCLIP_TOKEN");
  });
});
