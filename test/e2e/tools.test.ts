import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";
import { realizePrimary, type TestWorkspace } from "../support/workspace.ts";

const run = promisify(execFile);
const BUF = new URL("../../node_modules/.bin/buf", import.meta.url).pathname;
const SERVICE = "workspace.runtime.v1.WorkspaceRuntime";

describe("the tools that people debug with", () => {
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

  const bufCurl = async (...args: string[]) => {
    const { stdout } = await run(BUF, [
      ...["curl", "--protocol", "grpc", "--http2-prior-knowledge"],
      // Without --reflect-header buf asks for the schema as nobody.
      ...["-H", `Authorization: Bearer ${server.token}`, "--reflect-header", "*", ...args],
    ]);
    return stdout;
  };

  it("buf curl lists and calls the methods over gRPC by reflection alone", async () => {
    const methods = await bufCurl("--list-methods", server.address);
    expect(methods).toContain(`${SERVICE}/EnsureServices`);
    expect(methods).toContain(`${SERVICE}/StreamLogs`);
    const answer = await bufCurl(
      ...["-d", JSON.stringify({ workspaceId: workspace.workspaceId })],
      `${server.address}/${SERVICE}/GetWorkspace`,
    );
    expect(JSON.parse(answer).workspace).toMatchObject({
      workspaceId: workspace.workspaceId,
      state: "WORKSPACE_STATE_ACTIVE",
    });
  });

  it("curl calls the same methods with JSON over HTTP/1.1 on the same port", async () => {
    const call = async (method: string, body: object) => {
      const { stdout } = await run("curl", [
        ...["--silent", "--http1.1", "-w", "\n%{http_code} %{http_version}"],
        ...["-H", `Authorization: Bearer ${server.token}`, "-H", "Content-Type: application/json"],
        ...["-d", JSON.stringify(body), `${server.address}/${SERVICE}/${method}`],
      ]);
      const [json = "", status] = stdout.split("\n");
      return { status, body: JSON.parse(json) };
    };
    const found = await call("GetWorkspace", { workspaceId: workspace.workspaceId });
    expect(found).toMatchObject({ status: "200 1.1", body: { workspace: { cwd: workspace.cwd } } });

    const missing = await call("GetWorkspace", { workspaceId: "nobody" });
    expect(missing.status).toBe("404 1.1");
    expect(missing.body).toMatchObject({
      code: "not_found",
      details: [{ type: "google.rpc.ErrorInfo", debug: { reason: "WORKSPACE_NOT_FOUND" } }],
    });
  });
});
