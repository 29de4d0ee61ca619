import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Provider, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { createClient } from "../../src/client/index.ts";
import { MARKER_VARIABLE } from "../../src/supervisor/marker.ts";
import { eventually } from "../support/eventually.ts";
import { servicesWithVariable } from "../support/processes.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { manyStreams } from "./many-streams.ts";
import { randomRequests } from "./random-requests.ts";
import { createReport, type Report } from "./report.ts";
import { sensibleCalls } from "./sensible-calls.ts";
import { createVocabulary } from "./vocabulary.ts";
import { memoryMiB, type Vitals, watch } from "./watchdog.ts";
import { wireGarbage } from "./wire-garbage.ts";

export interface FuzzOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Streams opened in each round. Default 200. */
  readonly streamsARound?: number;
  readonly onFailure?: (what: string) => void;
}

export interface FuzzResult {
  readonly counts: ReadonlyMap<string, number>;
  readonly failures: readonly string[];
  readonly rounds: number;
  /** Of the server after each round, when everything of it was over. */
  readonly memoryMiB: readonly number[];
  readonly vitals: Vitals;
}

const SLOWEST_MS = 2_000;
/** After everything is over. */
const LARGEST_REST_MIB = 500;
const TLS_FILES = new URL("../fixtures/tls/", import.meta.url).pathname;

/**
 * Throws at a real server whatever comes over a wire, in rounds: bytes, messages, calls that make sense, streams. All
 * of it stays on loopback and in a directory that is removed. What fails is in the result, not thrown.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const report = createReport(options.onFailure);
  const root = mkdtempSync(join(tmpdir(), "wsrt-fuzz-"));
  const places = makePlaces(root);
  const args = ["--allow-root", root];
  const env = { HOME: places.home };
  const started = await startServer({ args, env });
  // As callers have it: a call that a connection does not take any more is made again on the next.
  const { address, token } = started;
  const server = { ...started, client: createClient({ address, token }) };
  const secure = await startServer({
    args: [...args, "--tls-cert", `${TLS_FILES}server.pem`, "--tls-key", `${TLS_FILES}server.key`],
    env,
    dataDir: places.secureData,
  });
  const words = createVocabulary([places.base, places.repo, places.home, root]);
  const doors = {
    address: server.address,
    socketPath: server.socket,
    token: server.token,
    tlsAddress: secure.address,
  };
  const watchdog = watch(server);
  const deadline = performance.now() + options.seconds * 1_000;
  const isOver = () => performance.now() > deadline || !lives(server);
  const memory: number[] = [];
  let rounds = 0;
  try {
    for (; !isOver(); rounds += 1) {
      const seed = (options.seed + rounds * 7_919) % 2 ** 31;
      await wireGarbage(doors, words, report, seed);
      await sensibleCalls(server, places, report, seed);
      if (lives(server)) await manyStreams(server, report, seed, options.streamsARound ?? 200);
      await randomRequests(server, words, report, seed, isOver);
      await expectQuiet(server, report, `round ${rounds}, seed ${seed}`);
      memory.push(memoryMiB(server.pid));
      makePlaces(root);
    }
    const vitals = await watchdog.stop();
    judgeVitals(vitals, report);
    for (const each of [server, secure]) judgeServer(each, report);
    const { counts, failures } = report;
    return { counts, failures, rounds, memoryMiB: memory, vitals };
  } finally {
    await secure.kill("SIGTERM");
    await server.stop().catch((error) => report.fail(`the server cannot be stopped: ${error}`));
    rmSync(root, { recursive: true, force: true });
  }
}

/** Made again where a call has removed them: what lies in an allowed root is anybody's. */
function makePlaces(root: string) {
  const [base, repo, home, secureData] = ["base", "repo", "home", "secure-data"].map((name) => {
    const path = join(root, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }) as [string, string, string, string];
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", repo, "-c", "user.name=f", "-c", "user.email=f@x", ...args], {
      stdio: "ignore",
    });
  git("init", "--initial-branch=main");
  writeFileSync(join(repo, "file"), "text\n");
  git("add", "file");
  git("commit", "--allow-empty", "-m", "made");
  return { base, repo, home, secureData };
}

/** Everything is stopped, and then nothing of it lives: every process was somebody's. */
async function expectQuiet(server: TestServer, report: Report, when: string): Promise<void> {
  if (!lives(server)) return;
  const { client } = server;
  try {
    await eventually(
      async () => {
        const { services } = await client.listServices({
          pageSize: 500,
          providers: [Provider.LOCAL_PROCESS],
          states: [
            ServiceState.STARTING,
            ServiceState.RUNNING,
            ServiceState.STOPPING,
            ServiceState.BACKOFF,
          ],
        });
        await Promise.all(
          services.map(({ serviceId }) =>
            client
              .stopServices({
                target: { case: "serviceId", value: serviceId },
                force: true,
                gracePeriod: {},
              })
              .catch(() => {}),
          ),
        );
        return services.length === 0;
      },
      { timeoutMs: 60_000, intervalMs: 50 },
    );
    const { installationId } = await client.getRuntimeInfo({});
    const left = () =>
      servicesWithVariable(MARKER_VARIABLE).filter(({ value }) => value.startsWith(installationId));
    // A provision command goes on when its caller has left: the longest of the vocabulary sleeps 20 s.
    await eventually(() => left().length === 0, { timeoutMs: 45_000 }).catch(() => {
      report.fail(`${when}: processes of nobody: ${JSON.stringify(left())}`);
    });
  } catch (error) {
    report.fail(`${when}: services do not end: ${error} ${(error as Error).cause}`);
  }
}

function judgeVitals(vitals: Vitals, report: Report): void {
  if (vitals.slowestMs > SLOWEST_MS) {
    report.fail(`health was answered late: ${JSON.stringify(vitals)}`);
  }
  if (vitals.lastMiB > LARGEST_REST_MIB) report.fail(`memory: ${JSON.stringify(vitals)}`);
}

function judgeServer(server: TestServer, report: Report): void {
  const said = server.stderr();
  if (!lives(server)) report.fail(`a server has ended; it wrote:\n${said.slice(-4_000)}`);
  for (const line of said.split("\n")) {
    if (/unhandled|uncaught|a reason of our own/i.test(line))
      report.fail(`the server wrote: ${line}`);
  }
}

function lives({ pid }: TestServer): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
