import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import { Command } from "commander";
import { errorDetails, type RuntimeClient, type Service } from "../client/index.ts";
import {
  addConnectionOptions,
  type ConnectionOptions,
  dataDirectoryOf,
  namesServer,
  withClient,
} from "./connection.ts";
import { ExitError } from "./exit-error.ts";
import { followRun } from "./follow-run.ts";
import { allowingFlags, launchServer } from "./launch-server.ts";
import { createUpOutput, type UpOutput } from "./up-output.ts";
import { planUp, type UpPlan } from "./up-plan.ts";

/** `up`: a workspace with its services, from a directory and one command, until Ctrl-C. */
export function upCommand(): Command {
  return addConnectionOptions(new Command("up"))
    .description("make a workspace, start its services, follow their logs; Ctrl-C releases")
    .argument("[REPO]", "directory with a workspace-runtime.json, or use --service", ".")
    .option("--issue <ID>", "work in a git worktree of its own for this issue")
    .option("--title <TEXT>", "the issue's title, for the name of the branch")
    .option(
      "--service <NAME=COMMAND>",
      "start this instead of workspace-runtime.json; gets a port in PORT, stops with Ctrl-C (repeatable)",
      (value: string, all: string[] = []) => [...all, value],
    )
    .option("--listen <HOST:PORT>", "where a server that has to be started listens")
    .option("--json", "one line of JSON for each event")
    .action(up);
}

interface Options extends ConnectionOptions {
  readonly issue?: string;
  readonly title?: string;
  readonly service?: readonly string[];
  readonly listen?: string;
  readonly json?: boolean;
}

async function up(repository: string, options: Options): Promise<void> {
  const plan = planUp(repository, options);
  const names = [...plan.services.map(({ name }) => name), "provision"];
  const output = createUpOutput(options.json === true, names);
  for (const warning of plan.warnings) await output.note(warning);

  const interrupted = new AbortController();
  const onSignal = () => {
    // Who asks twice does not want to wait for the stops.
    if (interrupted.signal.aborted) process.exit(130);
    interrupted.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.on("SIGHUP", onSignal);
  try {
    await withClient(options, async (client) => {
      await ensureServer(client, options, plan, output);
      const { runId } = plan;
      try {
        await run(client, plan, output, interrupted.signal);
      } catch (error) {
        // The first error is the one to tell.
        await client.releaseRun({ runId }).catch(() => {});
        throw error;
      }
      await output.released(await client.releaseRun({ runId }));
    });
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    process.off("SIGHUP", onSignal);
  }
}

/** The server that answers, else a new one, unless the caller named one. */
async function ensureServer(
  client: RuntimeClient,
  options: Options,
  plan: UpPlan,
  output: UpOutput,
): Promise<void> {
  try {
    await client.getRuntimeInfo({});
  } catch (error) {
    const { code, reason } = errorDetails(error);
    if (code !== Code.Unavailable || reason !== "" || namesServer(options)) throw error;
    const dataDir = dataDirectoryOf(options);
    const listen = options.listen === undefined ? [] : ["--listen", options.listen];
    await output.note(`starting a server with the data directory ${dataDir}`);
    const args = [...listen, ...allowingFlags(plan.realize.baseCwd ?? "")];
    const pid = await launchServer({ dataDir, args });
    await output.note(`server ${pid} serves; it goes on when this ends (kill ${pid})`);
  }
}

async function run(
  client: RuntimeClient,
  plan: UpPlan,
  output: UpOutput,
  interrupted: AbortSignal,
): Promise<void> {
  const following = new AbortController();
  const signal = AbortSignal.any([interrupted, following.signal]);
  const { runId } = plan;
  const actor = { runId };
  try {
    const follower = followRun(client, runId, output, signal);
    await follower.watching;
    if (signal.aborted) return;
    const { workspace } = await client.realizeWorkspace(
      { ...plan.realize, runId, actor },
      { signal },
    );
    if (workspace === undefined) throw new ExitError("The server answered without a workspace.");
    await output.workspace(workspace);
    for (const warning of workspace.warnings) await output.note(warning);
    const { workspaceId } = workspace;
    const answer = await client.ensureServices(
      { runId, workspaceId, services: [...plan.services], actor },
      { signal },
    );
    for (const service of answer.services) {
      if (plan.adHoc.has(service.serviceName)) await awaitListener(service, output, signal);
    }
    await output.ready(answer);
    await Promise.race([follower.ended, aborted(signal)]);
    if (!signal.aborted) throw new ExitError("All services have ended.");
  } catch (error) {
    // What an interrupt cut short is no failure.
    if (!interrupted.aborted) throw error;
  } finally {
    following.abort();
  }
}

/** A command that was only named has no check of its own, and may never listen. */
async function awaitListener(
  service: Service,
  output: UpOutput,
  signal: AbortSignal,
): Promise<void> {
  const port = service.ports.http;
  const deadline = performance.now() + 3_000;
  while (port !== undefined && !signal.aborted && !(await accepts(port))) {
    if (performance.now() > deadline) {
      await output.note(`${service.serviceName}: nothing listens on its PORT ${port} yet`);
      return;
    }
    await sleep(25);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("connect", () => socket.destroy());
    socket.on("error", () => {});
    socket.on("close", (hadError) => resolve(!hadError));
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true }),
  );
}
