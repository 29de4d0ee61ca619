import { RestartMode } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import type { Random } from "../support/random.ts";
import { createRandom } from "../support/random.ts";
import type { TestServer } from "../support/server.ts";
import { type SpecInit, shellService } from "../support/workspace.ts";
import { judge } from "./judge.ts";
import type { Report } from "./report.ts";

const CALLERS = 4;
const CALLS = 12;
const SPECS: readonly SpecInit[] = [
  shellService("steady", "exec sleep 600"),
  shellService("chatter", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done"),
  shellService("early", "echo boom >&2; exit 3"),
  shellService("brief", "sleep 0.3; exit 0", { restart: { mode: RestartMode.ON_FAILURE } }),
  shellService("deaf", "trap '' TERM; while :; do sleep 0.05; done", {
    stop: { gracePeriod: { nanos: 100_000_000 } },
  }),
];

/** Several callers at once, each with calls that make sense, in any order: now and then one gives up in the middle. */
export async function sensibleCalls(
  server: TestServer,
  directories: { readonly base: string; readonly repo: string },
  report: Report,
  seed: number,
): Promise<void> {
  const callers = Array.from({ length: CALLERS }, async (_, index) => {
    const random = createRandom(seed + index);
    for (let call = 0; call < CALLS; call += 1) {
      const giveUp = AbortSignal.timeout(random.percent(25) ? 1 + random.below(150) : 20_000);
      const [name, make] = random.pick(choices(server, directories, random));
      try {
        await make(giveUp);
      } catch (error) {
        const wrong = judge(error);
        if (wrong !== undefined) report.fail(`${name} (seed ${seed}): ${wrong}`);
        report.count(`refused as ${errorDetails(error).reason || "given up"}`);
      }
      report.count("calls in sequences");
    }
  });
  await Promise.all(callers);
}

type Choice = [string, (signal: AbortSignal) => Promise<unknown>];

function choices(
  { client }: TestServer,
  { base, repo }: { readonly base: string; readonly repo: string },
  random: Random,
): Choice[] {
  const runId = `run-${random.below(3)}`;
  const issueId = `issue-${random.below(3)}`;
  const anyWorkspace = async () => random.pick((await client.listWorkspaces({})).workspaces);
  const anyService = async () => random.pick((await client.listServices({})).services);
  const specs = [random.pick(SPECS), random.pick(SPECS)].filter(
    (spec, index, all) => all.findIndex(({ name }) => name === spec.name) === index,
  );
  return [
    [
      "realize",
      (signal) =>
        client.realizeWorkspace(
          random.percent(50)
            ? { companyId: "company", baseCwd: base, agent: { name: "A" }, runId }
            : {
                companyId: "company",
                baseCwd: repo,
                agent: { name: "A" },
                issue: { issueId, identifier: issueId, title: issueId },
                strategy: { case: "gitWorktree", value: { provisionCommand: "echo made" } },
              },
          { signal },
        ),
    ],
    [
      "ensure",
      async (signal) => {
        const workspaceId = (await anyWorkspace())?.workspaceId ?? "none";
        const noWait = random.percent(40);
        await client.ensureServices({ runId, workspaceId, services: specs, noWait }, { signal });
      },
    ],
    [
      "prepare",
      async (signal) => {
        const workspaceId = (await anyWorkspace())?.workspaceId ?? "none";
        const realize = { companyId: "company", workspaceId, agent: { name: "A" }, runId };
        const ensure = { runId, services: specs };
        for await (const _ of client.prepareRun({ realize, ensure }, { signal }));
      },
    ],
    ["release", (signal) => client.releaseRun({ runId }, { signal })],
    ["renew", (signal) => client.renewRun({ runId }, { signal })],
    [
      "stop",
      async (signal) => {
        const value = (await anyService())?.serviceId ?? "none";
        const target = { case: "serviceId", value } as const;
        await client.stopServices({ target, force: random.percent(70) }, { signal });
      },
    ],
    [
      "stop all of a workspace",
      async (signal) => {
        const value = (await anyWorkspace())?.workspaceId ?? "none";
        await client.stopServices(
          { target: { case: "workspaceId", value }, force: true },
          { signal },
        );
      },
    ],
    [
      "restart",
      async (signal) => {
        const value = (await anyService())?.serviceId ?? "none";
        const target = { case: "serviceId", value } as const;
        await client.restartServices({ target, force: true }, { signal });
      },
    ],
    [
      "cleanup",
      async (signal) => {
        const workspaceId = (await anyWorkspace())?.workspaceId ?? "none";
        const dryRun = random.percent(50);
        await client.cleanupWorkspace({ workspaceId, dryRun, force: true }, { signal });
      },
    ],
    [
      "restore",
      async (signal) => {
        const workspaceId = (await anyWorkspace())?.workspaceId ?? "none";
        await client.restoreWorkspace({ workspaceId }, { signal });
      },
    ],
    [
      "read",
      async (signal) => {
        const value = (await anyService())?.serviceId ?? "none";
        const page = await client.readLogs({ source: { case: "serviceId", value } }, { signal });
        const start = { case: "cursor", value: page.cursor } as const;
        await client.readLogs({ source: { case: "serviceId", value }, start }, { signal });
      },
    ],
    ["collect", (signal) => client.collectGarbage({ dryRun: random.percent(50) }, { signal })],
    ["too large", (signal) => client.getService({ serviceId: "x".repeat(5_000_000) }, { signal })],
  ];
}
