import { spawn } from "node:child_process";
import { once } from "node:events";
import { startServer, type TestServer, type TestServerOptions } from "../../test/support/server.ts";
import { realizePrimary, type SpecInit, type TestWorkspace } from "../../test/support/workspace.ts";

/** A server in a process of its own, a workspace on it, and what ends with them. */
export interface Scene {
  readonly server: TestServer;
  readonly workspaceId: string;
  /** Where its services run. */
  readonly directory: string;
  /** Of a run of its own; resolves with the service's id once it is ready. */
  start(spec: SpecInit): Promise<string>;
  stop(serviceId: string): Promise<void>;
}

export interface BareServer {
  readonly pid: number;
  readonly token: string;
  readonly grpcPort: number;
  readonly http2Port: number;
}

/** Whatever happens in `use`, nothing is left behind. */
export async function withScene<T>(
  use: (scene: Scene) => Promise<T>,
  options: TestServerOptions = {},
): Promise<T> {
  const server = await startServer(options);
  try {
    const workspace = await realizePrimary(server);
    try {
      return await use(createScene(server, workspace));
    } finally {
      workspace.remove();
    }
  } finally {
    await server.stop();
  }
}

export async function withBareServer<T>(use: (bare: BareServer) => Promise<T>): Promise<T> {
  const token = "bench-token-of-the-bare-server-0123456789";
  const program = new URL("./bare-server.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [program, token], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  try {
    const [line] = await once(child.stdout, "data");
    const ports = JSON.parse(String(line));
    return await use({
      pid: child.pid as number,
      token,
      grpcPort: ports.grpc,
      http2Port: ports.http2,
    });
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

function createScene(server: TestServer, { workspaceId, cwd }: TestWorkspace): Scene {
  let runs = 0;
  return {
    server,
    workspaceId,
    directory: cwd,
    async start(spec) {
      runs += 1;
      const { services } = await server.client.ensureServices({
        runId: `bench-${runs}`,
        workspaceId,
        services: [spec],
      });
      return services[0]?.serviceId ?? "";
    },
    async stop(serviceId) {
      await server.client.stopServices({
        target: { case: "serviceId", value: serviceId },
        force: true,
        gracePeriod: { seconds: 0n, nanos: 0 },
      });
    },
  };
}
