/**
 * The whole service in a few seconds: two issues, two worktrees, their services, and a server that is killed under them.
 * Works in a temporary directory, leaves nothing behind, ends with 0 if everything was as it says.
 */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { styleText } from "node:util";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { explain } from "../src/cli/explain-error.ts";
import { launchServer } from "../src/cli/launch-server.ts";
import { told } from "../src/cli/stop.ts";
import { stateOf } from "../src/cli/words.ts";
import {
  createClient,
  followLogs,
  Lifecycle,
  type RuntimeClient,
  type Service,
  type ServiceSpec,
  type ServiceSpecSchema,
  ServiceState,
  splitLines,
  watchStatus,
} from "../src/client/index.ts";

const PROGRAM = `import { createServer } from "node:http";
const { NAME, PORT } = process.env;
let ticks = 0;
setInterval(() => console.log("tick " + ++ticks), 10);
createServer((request, response) => {
  console.log(request.method + " " + request.url);
  response.end(JSON.stringify({ name: NAME, cwd: process.cwd(), pid: process.pid, ticks }));
}).listen(Number(PORT), "127.0.0.1", () => console.log("listening on " + PORT));
`;

const ISSUES = [
  { identifier: "SHOP-1", title: "Add a cart" },
  { identifier: "SHOP-2", title: "Fix the prices" },
];

/** One issue's run, as far as it has come. */
interface Run {
  readonly issue: (typeof ISSUES)[number];
  readonly runId: string;
  readonly workspaceId: string;
  readonly cwd: string;
  web: Service;
  catalog: Service;
}

/** What has to be undone, whatever happens. */
interface Scene {
  readonly directory: string;
  readonly dataDir: string;
  readonly client: RuntimeClient;
  readonly ending: AbortController;
  serverPid: number;
  /** A start in progress. */
  starting: Promise<void>;
  /** Processes of services that were seen. */
  readonly pids: Set<number>;
}

const started = performance.now();
// Not the exit code alone: what a failure cut short may still wait for something.
process.exit(await main());

async function main(): Promise<number> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "wsrt-demo-")));
  const dataDir = join(directory, "data");
  const scene: Scene = {
    directory,
    dataDir,
    client: createClient({ dataDir }),
    ending: new AbortController(),
    serverPid: 0,
    starting: Promise.resolve(),
    pids: new Set(),
  };
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => reject(new Error(`interrupted by ${signal}`)));
    }
  });
  const tooLong = sleep(60_000, undefined, { ref: false }).then(() => {
    throw new Error("it took longer than a minute");
  });
  let failure: unknown;
  try {
    await Promise.race([play(scene), interrupted, tooLong]);
  } catch (error) {
    failure = error;
    console.error(
      styleText("red", `\nThe demo failed: ${explain(error)}`, { stream: process.stderr }),
    );
    console.error(serverLog(scene));
  }
  await leaveNothing(scene).catch((error: unknown) => {
    failure ??= error;
    console.error(
      styleText("red", `\nCleaning up failed: ${explain(error)}`, { stream: process.stderr }),
    );
  });
  if (failure !== undefined) return 1;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  say("green", `\nAll as promised, in ${seconds} s. Nothing is left of it.\n`);
  return 0;
}

async function play(scene: Scene): Promise<void> {
  const { client, ending } = scene;
  say("bold", "workspace-runtime, from end to end");

  title("A git repository with a small web server");
  const repository = makeRepository(scene.directory);
  fact(repository);

  title("A server on SQLite, in a process of its own");
  await startServer(scene);
  const watching = showStatus(scene);
  await watching.ready;

  title("Two issues at once: a worktree, a branch and services for each, one service shared");
  const runs = await Promise.all(ISSUES.map((issue) => prepare(scene, repository, issue)));
  const [first, second] = runs as [Run, Run];
  for (const { issue, cwd } of runs) fact(`${issue.identifier}  ${relative(repository, cwd)}`);
  assert.notEqual(first.web.serviceId, second.web.serviceId);
  assert.equal(first.catalog.serviceId, second.catalog.serviceId, "the catalog is shared");
  const reused = runs.map(({ catalog }) => catalog.reused);
  assert.deepEqual(
    reused.toSorted(),
    [false, true],
    "one run started the catalog, the other joined",
  );
  fact(`one catalog for both: pid ${first.catalog.providerRef}`);

  title("Their logs, as they come (of the ticks each hundredth)");
  const readers = runs.map((run) => countLines(scene, run));
  await until("both logs arrive", () => readers.every(({ count }) => count > 100));

  title("Both answer under their URLs");
  for (const run of runs) await call(run);

  title(`kill -9 ${scene.serverPid}: the server is gone, the services are not`);
  await killServer(scene);
  const before = await Promise.all(runs.map(({ web }) => ask(web)));
  await Promise.all(runs.map(call));

  title("Started again: the same services are adopted, the streams resume at their cursors");
  await startServer(scene);
  const after = await Promise.all(runs.map(({ web }) => ask(web)));
  const { reconcile } = await client.getRuntimeInfo({});
  assert.equal(reconcile?.adopted, 3, "three services are adopted");
  for (const run of runs) {
    for (const service of [run.web, run.catalog]) {
      const { service: now } = await client.getService({ serviceId: service.serviceId });
      assert.equal(now?.state, ServiceState.RUNNING);
      assert.equal(now.providerRef, service.providerRef, "the same process");
    }
    fact(`${run.issue.identifier}  web is RUNNING with the same pid ${run.web.providerRef}`);
  }
  await until("the logs have caught up", () =>
    readers.every(({ last }, index) => last > (after[index]?.ticks ?? 0) + 50),
  );
  for (const [index, { count, interruptions }] of readers.entries()) {
    assert.ok(interruptions > 0, "the stream was interrupted");
    const issue = runs[index]?.issue.identifier;
    const unseen = (after[index]?.ticks ?? 0) - (before[index]?.ticks ?? 0);
    fact(
      `${issue}  lines 1 to ${count} came once each, in order; ${unseen} were written while no server lived`,
    );
  }

  title("Release: what only these runs needed stops, with proof");
  for (const run of runs) {
    const { released, stopped } = await client.releaseRun({ runId: run.runId });
    for (const service of released) {
      const receipt = stopped.find(({ serviceId }) => serviceId === service.serviceId);
      const what = receipt ? told(receipt) : "runs on, the other run leases it";
      fact(`${run.issue.identifier}  ${service.serviceName}: ${what}`);
    }
  }
  await Promise.all(readers.map(({ ended }) => ended));
  await until("all have stopped", () => watching.states().every((state) => state === "stopped"));
  ending.abort();
  await watching.ended;
}

function makeRepository(directory: string): string {
  const repository = join(directory, "shop");
  mkdirSync(repository);
  writeFileSync(join(repository, "server.mjs"), PROGRAM);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=Demo", "-c", "user.email=demo@example.com", ...args], {
      cwd: repository,
      stdio: ["ignore", "ignore", "inherit"],
    });
  git("init", "--quiet", "--initial-branch=main");
  git("add", ".");
  git("commit", "--quiet", "--message=A shop");
  return repository;
}

function startServer(scene: Scene): Promise<void> {
  scene.starting = start(scene);
  return scene.starting;
}

async function start(scene: Scene): Promise<void> {
  const begun = performance.now();
  scene.serverPid = await launchServer({
    dataDir: scene.dataDir,
    args: ["--listen", "127.0.0.1:0", "--allow-root", scene.directory],
    environment: withoutSettings(process.env),
  });
  fact(`pid ${scene.serverPid}, ready after ${Math.round(performance.now() - begun)} ms`);
}

/** Whatever the caller's shell says about other servers is not meant for this one. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([key]) => !key.startsWith("WORKSPACE_RUNTIME_"));
  return Object.fromEntries(kept);
}

async function killServer(scene: Scene): Promise<void> {
  const pid = scene.serverPid;
  process.kill(pid, "SIGKILL");
  await until("the server is gone", () => !isAlive(pid));
  scene.serverPid = 0;
}

/** Realizes the worktree and ensures the services, as an orchestrator does for a run. */
async function prepare(scene: Scene, repository: string, issue: Run["issue"]): Promise<Run> {
  const { client } = scene;
  const runId = `run-${issue.identifier}`;
  const { workspace } = await client.realizeWorkspace({
    companyId: "demo",
    projectId: "shop",
    baseCwd: repository,
    issue: { issueId: issue.identifier, ...issue },
    agent: { agentId: "agent", name: "Demo" },
    runId,
    strategy: { case: "gitWorktree", value: {} },
  });
  assert.ok(workspace);
  const { workspaceId, cwd } = workspace;
  const { services } = await client.ensureServices({
    runId,
    workspaceId,
    services: [
      httpService("web", issue.identifier, ".", Lifecycle.EPHEMERAL),
      // The same directory for both runs, so that it is the same service.
      httpService("catalog", "catalog", repository, Lifecycle.SHARED),
    ],
  });
  const [web, catalog] = services;
  assert.ok(web && catalog);
  for (const { providerRef } of services) scene.pids.add(Number(providerRef));
  return { issue, runId, workspaceId, cwd, web, catalog };
}

function httpService(
  name: string,
  shownName: string,
  cwd: string,
  lifecycle: Lifecycle,
): Exclude<MessageInitShape<typeof ServiceSpecSchema>, ServiceSpec> {
  return {
    name,
    process: { case: "argv", value: { args: [process.execPath, "server.mjs"] } },
    cwd,
    env: { NAME: shownName },
    lifecycle,
    port: { port: { case: "auto", value: {} } },
    readiness: {
      check: { case: "http", value: { urlTemplate: "http://127.0.0.1:{{port}}/ready" } },
    },
    expose: { urlTemplate: "http://127.0.0.1:{{port}}/" },
    stopPolicy: { policy: { case: "onRunFinish", value: {} } },
  };
}

/** Prints each change of state of a service, until the scene ends. */
function showStatus({ client, ending }: Scene) {
  const ready = Promise.withResolvers<void>();
  const shown = new Map<string, string>();
  const watch = async () => {
    const updates = watchStatus(client, { companyId: "demo" }, { signal: ending.signal });
    for await (const { changes, snapshotComplete } of updates) {
      for (const { resource } of changes) {
        if (resource.case !== "service") continue;
        const { serviceId, serviceName, cwd, providerRef } = resource.value;
        const state = stateOf(resource.value);
        if (shown.get(serviceId) === state) continue;
        shown.set(serviceId, state);
        const issue = ISSUES.find(({ identifier }) => cwd.includes(identifier))?.identifier;
        const pid = providerRef === "" ? "" : `, pid ${providerRef}`;
        line("yellow", "status", `${issue ?? "shared"}  ${serviceName} ${state}${pid}`);
      }
      if (snapshotComplete) ready.resolve();
    }
  };
  const ended = watch();
  ended.catch(ready.reject);
  return { ready: ready.promise, ended, states: () => [...shown.values()] };
}

/** Follows a web server's log over everything that happens; each tick must be the next one. */
function countLines({ client, ending }: Scene, { web, issue }: Run) {
  const reader = { count: 0, last: 0, interruptions: 0, ended: Promise.resolve() };
  const read = async () => {
    const messages = followLogs(
      client,
      { source: { case: "serviceId", value: web.serviceId } },
      {
        signal: ending.signal,
        onRetry: () => {
          if (reader.interruptions++ === 0)
            line("red", "stream", `${issue.identifier}  interrupted`);
        },
      },
    );
    for await (const { text } of splitLines(messages)) {
      const [, number] = /^tick (\d+)$/.exec(text) ?? [];
      if (number === undefined || Number(number) % 100 === 0) {
        line("cyan", "log", `${issue.identifier}  ${text}`);
      }
      if (number === undefined) continue;
      assert.equal(Number(number), reader.last + 1, `the line after "tick ${reader.last}"`);
      reader.last = Number(number);
      reader.count++;
    }
  };
  reader.ended = read();
  // Looked at when the scene comes to it; until then a failure shows as a log that stands still.
  reader.ended.catch((error: unknown) => line("red", "stream", explain(error)));
  return reader;
}

async function call(run: Run): Promise<void> {
  const { name, cwd, pid, ticks } = await ask(run.web);
  assert.equal(name, run.issue.identifier);
  assert.equal(cwd, run.cwd);
  fact(`${name}  GET ${run.web.url}  from pid ${pid} in ${basename(cwd)}, at tick ${ticks}`);
}

interface Answer {
  readonly name: string;
  readonly cwd: string;
  readonly pid: number;
  readonly ticks: number;
}

async function ask({ url }: Service): Promise<Answer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  return (await response.json()) as Answer;
}

/** Services outlive their server by design: they are stopped through one, then it goes too. */
async function leaveNothing(scene: Scene): Promise<void> {
  const { client, directory, pids } = scene;
  scene.ending.abort();
  await scene.starting.catch(() => {});
  try {
    if ([...pids].some(isAlive)) await stopServices(scene);
  } finally {
    client.close();
    if (scene.serverPid !== 0 && isAlive(scene.serverPid)) process.kill(scene.serverPid, "SIGTERM");
    await until("the server has ended", () => scene.serverPid === 0 || !isAlive(scene.serverPid));
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
  const left = [...pids].filter(isAlive);
  assert.deepEqual(left, [], "no process is left");
}

async function stopServices(scene: Scene): Promise<void> {
  if (scene.serverPid === 0) await startServer(scene);
  const { services } = await scene.client.listServices({ companyId: "demo" });
  await Promise.all(
    services.map(({ serviceId }) =>
      scene.client.stopServices({
        target: { case: "serviceId", value: serviceId },
        force: true,
        gracePeriod: {},
      }),
    ),
  );
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited 15 s in vain until ${what}`);
    await sleep(10);
  }
}

/** A zombie waits for its parent alone and runs no more. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return process.platform !== "linux";
  }
}

function serverLog({ dataDir }: Scene): string {
  try {
    return readFileSync(join(dataDir, "server.log"), "utf8");
  } catch {
    return "The server wrote nothing.";
  }
}

function title(text: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(4);
  console.log(`\n${styleText("dim", `${seconds} s`)}  ${styleText("bold", text)}`);
}

function fact(text: string): void {
  console.log(`        ${text}`);
}

function line(style: "yellow" | "cyan" | "red", kind: string, text: string): void {
  console.log(`        ${styleText(style, kind.padEnd(6))} ${styleText("dim", text)}`);
}

function say(style: "bold" | "green", text: string): void {
  console.log(styleText(style, text));
}
