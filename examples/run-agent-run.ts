/**
 * Runs `agent-run.ts` against a server and a repository of its own, which are gone afterwards: `npm run example`, or
 * `npm run example -- --grpc` for the client on grpc-js.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createGrpcClient } from "../src/client/grpc/index.ts";
import { createClient } from "../src/client/index.ts";
import { agentRun } from "./agent-run.ts";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

const place = realpathSync(mkdtempSync(join(tmpdir(), "agent-run-")));
const dataDir = join(place, "data");
let server = await startServer();
try {
  const create = process.argv.includes("--grpc") ? createGrpcClient : createClient;
  using client = create({ dataDir });
  await agentRun(client, {
    repository: makeRepository(),
    restartServer: async () => {
      await stopServer();
      server = await startServer();
    },
    say: (line) => console.log(line),
  });
} finally {
  await stopServer();
  rmSync(place, { recursive: true, force: true, maxRetries: 5 });
}

/** Resolves when it has said that it is ready. */
async function startServer(): Promise<ChildProcess> {
  const args = ["serve", "--data-dir", dataDir, "--listen", "127.0.0.1:0", "--log-level", "warn"];
  // Here nothing shall stay; an orchestrator's services go on without the server.
  const child = spawn(process.execPath, [MAIN, ...args, "--stop-services-on-exit"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said = once(child.stdout, "data");
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`the server ended with code ${code}`);
  });
  await Promise.race([said, ended]);
  ended.catch(() => {});
  return child;
}

async function stopServer(): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, "exit");
  server.kill("SIGTERM");
  await ended;
}

function makeRepository(): string {
  const repository = join(place, "shop");
  mkdirSync(repository);
  const git = (...args: readonly string[]) =>
    execFileSync("git", ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", ...args], {
      cwd: repository,
    });
  git("init", "--quiet");
  writeFileSync(join(repository, "README.md"), "# shop\n");
  git("add", ".");
  git("commit", "--quiet", "--message=first");
  return repository;
}
