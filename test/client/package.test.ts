import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { startServer } from "../support/server.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const CONSUMER = `
import {
  convertConfig, createClient, errorDetails, followLogs, type LogLine, type Service, ServiceState, splitLines, watchStatus,
} from "@workspace-runtime/client";

using client = createClient();
const cwd = process.argv[2] ?? "";
const { workspace } = await client.realizeWorkspace({
  companyId: "c", baseCwd: cwd, agent: { agentId: "a", name: "A" }, runId: "r",
});
const { services: specs } = convertConfig({
  workspaceRuntime: { services: [{ name: "hello", command: "echo hello; sleep 1; exit 0" }] },
});
const { services } = await client.ensureServices({
  runId: "r",
  workspaceId: workspace?.workspaceId ?? "",
  services: specs,
});
const service: Service | undefined = services[0];
const lines: LogLine[] = [];
const source = { case: "serviceId", value: service?.serviceId ?? "" } as const;
for await (const line of splitLines(followLogs(client, { source }))) lines.push(line);
let state: ServiceState = ServiceState.UNSPECIFIED;
for await (const { changes } of watchStatus(client, { serviceIds: [service?.serviceId ?? ""] })) {
  for (const { resource } of changes) if (resource.case === "service") state = resource.value.state;
  if (state === ServiceState.STOPPED) break;
}
const reason = await client.getService({ serviceId: "nobody" }).catch((error) => errorDetails(error).reason);
// @ts-expect-error: the types of requests are checked
const misspelled = { companyid: "" } satisfies Parameters<typeof client.listServices>[0];
console.log(JSON.stringify({ lines: lines.map(({ text }) => text), state, reason, misspelled }));
`;

/** With grpc-js installed beside it. */
const GRPC_CONSUMER = `
import { errorDetails, prepareRun, type RuntimeClient } from "@workspace-runtime/client";
import { createGrpcClient } from "@workspace-runtime/client/grpc";

using client: RuntimeClient = createGrpcClient();
const { installationId } = await client.getRuntimeInfo({});
const reason = await client.getService({ serviceId: "nobody" }).catch((error) => errorDetails(error).reason);
console.log(JSON.stringify({ installationId, reason, prepareRun: typeof prepareRun }));
`;

describe("the packed client", () => {
  it("is installed in an empty directory, type-checked and used against a live server", async () => {
    const directory = mkdtempSync(join(tmpdir(), "consumer-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const pack = join(ROOT, "scripts/pack-client.ts");
    const { stdout: packed } = await run(process.execPath, [pack, directory], { cwd: directory });
    const tarball = packed.trim();
    expect(tarball).toMatch(/workspace-runtime-client-.*\.tgz$/);

    writeFileSync(join(directory, "package.json"), '{ "private": true, "type": "module" }');
    // What it depends on comes from this checkout: the test needs no registry.
    const dependencies = ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node"];
    await run(
      "npm",
      [
        ...["install", "--offline", "--no-audit", "--no-fund", "--no-save", tarball],
        ...dependencies.map((name) => join(ROOT, "node_modules", name)),
      ],
      { cwd: directory },
    );

    writeFileSync(join(directory, "consumer.ts"), CONSUMER);
    writeFileSync(join(directory, "grpc-consumer.ts"), GRPC_CONSUMER);
    // Nobody needs it for the other entry.
    expect(existsSync(join(directory, "node_modules/@grpc"))).toBe(false);
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const flags = [
      ...["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024"],
      ...["--lib", "es2024,dom,esnext.disposable", "--exactOptionalPropertyTypes"],
      ...["--typeRoots", join(ROOT, "node_modules/@types"), "--types", "node"],
    ];
    const compile = (file: string) =>
      run(process.execPath, [tsc, ...flags, file], { cwd: directory }).catch(
        ({ stdout }: { stdout: string }) => expect(stdout).toBe(""),
      );
    await compile("consumer.ts");

    const server = await startServer();
    onTestFinished(() => server.stop());
    const env = { ...process.env, WORKSPACE_RUNTIME_DATA_DIR: server.dataDir };
    const { stdout } = await run(process.execPath, ["consumer.ts", directory], {
      cwd: directory,
      env,
    });
    expect(JSON.parse(stdout)).toMatchObject({
      lines: ["hello"],
      state: 4,
      reason: "SERVICE_NOT_FOUND",
    });

    mkdirSync(join(directory, "node_modules/@grpc"), { recursive: true });
    symlinkSync(
      join(ROOT, "node_modules/@grpc/grpc-js"),
      join(directory, "node_modules/@grpc/grpc-js"),
    );
    await compile("grpc-consumer.ts");
    const grpc = await run(process.execPath, ["grpc-consumer.ts"], { cwd: directory, env });
    expect(JSON.parse(grpc.stdout)).toEqual({
      installationId: (await server.client.getRuntimeInfo({})).installationId,
      reason: "SERVICE_NOT_FOUND",
      prepareRun: "function",
    });
  }, 180_000);
});
