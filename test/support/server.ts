import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "@connectrpc/connect";
import { Provider } from "../../gen/workspace/runtime/v1/service_pb.ts";
import type { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import { createClient } from "../../src/client/index.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;
/** Generous: the suites of two cores start many servers at once. */
const START_MS = 45_000;

/** A real server in a process of its own, as an operator starts it. */
export interface TestServer {
  readonly address: string;
  readonly socket: string;
  readonly token: string;
  readonly dataDir: string;
  readonly pid: number;
  readonly client: Client<typeof WorkspaceRuntime>;
  /** What it wrote to standard error so far. */
  stderr(): string;
  /** Sends the signal and waits for the end of the process. Its data directory stays. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
  /** Ends the services, then the server; removes a data directory that `startServer` made. */
  stop(): Promise<void>;
}

export interface TestServerOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: a new one in the temporary directory, removed by `stop`. */
  readonly dataDir?: string;
  /** What runs the server's command line: a program and its first arguments. Default: nothing between. */
  readonly through?: readonly string[];
}

export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), "wsrt-"));
  const [program = process.execPath, ...args] = [
    ...(options.through ?? []),
    ...[process.execPath, MAIN, "serve", "--listen", "127.0.0.1:0", "--data-dir", dataDir],
    ...(options.args ?? []),
  ];
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
  });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const ready = await readyLine(child, () => stderr).catch((error: unknown) => {
    child.kill("SIGKILL");
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    throw error;
  });
  const token = readFileSync(join(dataDir, "token"), "utf8").trim();
  // One try: a test sees every error that the server makes.
  const client = createClient({ address: ready.address, token, maxAttempts: 1 });

  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return ended;
  };
  return {
    ...ready,
    token,
    dataDir,
    pid: child.pid ?? 0,
    client,
    stderr: () => stderr,
    kill,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        await stopServices(client);
        await kill("SIGTERM");
      }
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Each by its own id: a test must leave no process, whatever it asserted. */
async function stopServices(client: TestServer["client"]): Promise<void> {
  const { services } = await client.listServices({
    pageSize: 500,
    providers: [Provider.LOCAL_PROCESS],
  });
  await Promise.all(
    services.map(({ serviceId }) =>
      client.stopServices({
        target: { case: "serviceId", value: serviceId },
        force: true,
        gracePeriod: { seconds: 0n, nanos: 0 },
      }),
    ),
  );
}

async function readyLine(
  child: ChildProcess,
  stderr: () => string,
): Promise<{ address: string; socket: string }> {
  let stdout = "";
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish("did not say that it is ready"), START_MS);
    const finish = (problem: string) => {
      clearTimeout(timer);
      reject(new Error(`the server ${problem}; it wrote:\n${stderr()}`));
    };
    child.stdout?.on("data", (chunk) => {
      stdout += chunk;
      const end = stdout.indexOf("\n");
      if (end < 0) return;
      clearTimeout(timer);
      resolve(JSON.parse(stdout.slice(0, end)));
    });
    child.once("exit", (code) => finish(`ended with code ${code}`));
  });
}
