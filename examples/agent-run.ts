import {
  convertConfig,
  DesiredState,
  errorDetails,
  ResourceKind,
  type RuntimeClient,
  type Service,
  ServiceState,
  watchStatus,
} from "../src/client/index.ts";

/** What `agentRun` needs besides a client, which may be of `createClient` or of `createGrpcClient`. */
export interface AgentRunOptions {
  /** A git repository with a commit, below one of the server's allowed roots. */
  readonly repository: string;
  /** Stops the server and starts it again with the same data directory. */
  readonly restartServer: () => Promise<void>;
  /** Called with a line for each step. */
  readonly say: (line: string) => void;
}

const COMPANY = "acme";
const PROJECT_WORKSPACE = "shop-primary";
const AGENT = { agentId: "agent-1", name: "Ada" };
const ISSUE = { issueId: "issue-1", identifier: "SHOP-1", title: "A faster checkout" };
const RUN = "run-1";

/** What a repository keeps in its `workspace-runtime.json`, or an orchestrator in its rows. */
const CONFIG = {
  workspaceStrategy: { type: "git_worktree", branchTemplate: "{{issue.identifier}}-{{slug}}" },
  workspaceRuntime: {
    services: [
      {
        name: "web",
        command: `exec '${process.execPath}' -e "require('http').createServer((q, s) => s.end('from ' + process.cwd())).listen(process.env.PORT, '127.0.0.1')"`,
        port: { type: "auto" },
        readiness: { type: "http", urlTemplate: "http://127.0.0.1:{{port}}/" },
        expose: { type: "url", urlTemplate: "http://127.0.0.1:{{port}}/" },
        stopPolicy: { type: "on_run_finish" },
      },
    ],
  },
};

/**
 * The life of an agent's run, call by call, as an orchestrator makes it; then what people do with its services, the
 * end of its workspace, and a boot of the server. Throws where an answer is not what it should be.
 */
export async function agentRun(client: RuntimeClient, options: AgentRunOptions): Promise<void> {
  const { repository, restartServer, say } = options;
  const { strategy, services: specs } = convertConfig(CONFIG);

  say("The project: where its primary checkout is, and what runs there");
  const projectWorkspace = {
    projectWorkspaceId: PROJECT_WORKSPACE,
    companyId: COMPANY,
    projectId: "shop",
    name: "shop",
    cwd: repository,
    runtimeConfig: { services: specs },
  };
  const put = await client.putProjectWorkspace({ projectWorkspace });
  say(`  ${PROJECT_WORKSPACE}, revision ${put.projectWorkspace?.revision}`);

  say("Realize: a place to work, leased for the run");
  const { workspace, operations } = await client.realizeWorkspace({
    companyId: COMPANY,
    projectId: "shop",
    projectWorkspaceId: PROJECT_WORKSPACE,
    baseCwd: repository,
    strategy,
    issue: ISSUE,
    agent: AGENT,
    runId: RUN,
  });
  if (workspace === undefined) throw new Error("no workspace in the answer");
  const { workspaceId, cwd, branchName } = workspace;
  for (const { message } of operations) say(`  ${message}`);
  check(branchName === "SHOP-1-a-faster-checkout", `branch ${branchName}`, say);

  say("Ensure with no services: a lease, and nothing is started");
  const none = await client.ensureServices({ runId: RUN, workspaceId });
  check(none.services.length === 0, "no services", say);

  say("Ensure from the configuration: started, ready, leased");
  const ensured = await client.ensureServices({ runId: RUN, workspaceId, fromConfig: true });
  const web = only(ensured.services);
  check((await fetchText(web.url)) === `from ${cwd}`, `${web.url} answers from ${cwd}`, say);
  check(ensured.runEnv.PAPERCLIP_RUNTIME_PRIMARY_URL === web.url, "the agent is told the URL", say);
  say(indented(ensured.readyComment));
  const again = await client.ensureServices({ runId: RUN, workspaceId, fromConfig: true });
  check(only(again.services).reused, "the same call again joins it", say);

  say("Report: a service that the agent's adapter runs elsewhere");
  const reported = await client.reportServices({
    adapterType: "sandbox",
    runId: RUN,
    workspaceId,
    agent: AGENT,
    reports: [{ serviceName: "preview", url: "https://preview.example/1", providerRef: "box-1" }],
  });
  const preview = only(reported.services);
  check(preview.state === ServiceState.RUNNING, `${preview.serviceName} ${preview.url}`, say);

  say("Release: the run's leases end, and with them what its stop policy says");
  const { stopped } = await client.releaseRun({ runId: RUN });
  check(
    stopped.some(({ serviceId, portsFree }) => serviceId === web.serviceId && portsFree),
    "web is proven stopped, its port free",
    say,
  );
  const leases = await client.listLeases({ runIds: [RUN] });
  check(leases.leases.length === 0, "no lease is left", say);

  say("By hand: start, restart, stop");
  const target = { case: "workspaceId", value: workspaceId } as const;
  const started = only((await client.startServices({ target })).services);
  check(started.serviceId !== web.serviceId, `started ${started.url}`, say);
  const restarted = only((await client.restartServices({ target })).services);
  check(restarted.serviceId === started.serviceId, `instance ${restarted.instance}, same id`, say);
  const byHand = only((await client.stopServices({ target })).services);
  check(byHand.state === ServiceState.STOPPED, "stopped", say);

  say("Archive: first what would happen, then it happens");
  const plan = await client.cleanupWorkspace({ workspaceId, dryRun: true });
  for (const { description } of plan.plannedActions) say(`  would: ${description}`);
  const cleaned = await client.cleanupWorkspace({ workspaceId });
  check(cleaned.cleaned && cleaned.cleanedPath === cwd, `removed ${cwd}`, say);
  const late = await client.ensureServices({ runId: RUN, workspaceId }).catch(errorDetails);
  check("reason" in late && late.reason === "WORKSPACE_ARCHIVED", "nothing starts in it now", say);

  say("Boot: what is wanted RUNNING is started when the server starts");
  await client.putProjectWorkspace({
    projectWorkspace: { ...projectWorkspace, desiredState: DesiredState.RUNNING },
  });
  await restartServer();
  const booted = await untilRunning(client);
  check((await fetchText(booted.url)) === `from ${repository}`, `${booted.url} answers`, say);
  const primary = { case: "projectWorkspaceId", value: PROJECT_WORKSPACE } as const;
  const ended = only((await client.stopServices({ target: primary })).services);
  check(ended.state === ServiceState.STOPPED, "stopped, and not started at the next boot", say);
}

/** Waits for the project's service as status comes, over the server's absence. */
async function untilRunning(client: RuntimeClient): Promise<Service> {
  const request = {
    projectWorkspaceIds: [PROJECT_WORKSPACE],
    kinds: [ResourceKind.SERVICE],
  };
  const updates = watchStatus(client, request, { signal: AbortSignal.timeout(60_000) });
  for await (const { changes } of updates) {
    for (const { resource } of changes) {
      if (resource.case !== "service" || resource.value.workspaceId !== "") continue;
      if (resource.value.state === ServiceState.RUNNING) return resource.value;
    }
  }
  throw new Error("the service was not started at boot");
}

function only(services: readonly Service[]): Service {
  const [service] = services;
  if (service === undefined || services.length > 1) {
    throw new Error(`one service was expected, not ${services.length}`);
  }
  return service;
}

async function fetchText(url: string): Promise<string> {
  return (await fetch(url, { signal: AbortSignal.timeout(10_000) })).text();
}

function check(holds: boolean, what: string, say: (line: string) => void): void {
  if (!holds) throw new Error(`not so: ${what}`);
  say(`  ${what}`);
}

function indented(text: string): string {
  return text.trimEnd().replace(/^/gm, "  | ");
}
