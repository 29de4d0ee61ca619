import { toJson } from "@bufbuild/protobuf";
import { Command, Option } from "commander";
import {
  type CleanupWorkspaceResponse,
  CleanupWorkspaceResponseSchema,
  CloseReadiness,
  DirtyPolicy,
} from "../client/index.ts";
import { addConnectionOptions, type ConnectionOptions, withClient } from "./connection.ts";
import { ExitError } from "./exit-error.ts";
import { findWorkspace } from "./find-workspace.ts";
import { writeLine } from "./terminal.ts";

/** `workspace clean`: ends a workspace and removes what the server made for it. */
export function workspaceCleanCommand(): Command {
  return addConnectionOptions(new Command("clean"))
    .description("stop a workspace's services and remove what the server made for it")
    .argument("<WORKSPACE>", "id, directory or branch")
    .option("--dry-run", "show what would be done, and do nothing")
    .addOption(
      new Option("--on-dirty <POLICY>", "what to do with uncommitted work")
        .choices(Object.keys(POLICIES))
        .default("rescue"),
    )
    .option("--force", "also if other runs lease it or its services; their leases end")
    .option("--json", "the answer of the API")
    .action(clean);
}

const POLICIES: Readonly<Record<string, DirtyPolicy>> = {
  rescue: DirtyPolicy.RESCUE,
  refuse: DirtyPolicy.REFUSE,
  discard: DirtyPolicy.DISCARD,
};

interface CleanOptions extends ConnectionOptions {
  readonly dryRun?: boolean;
  readonly onDirty: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

async function clean(what: string, options: CleanOptions): Promise<void> {
  await withClient(options, async (client) => {
    const { workspaceId } = await findWorkspace(client, what);
    const answer = await client.cleanupWorkspace({
      workspaceId,
      onDirty: POLICIES[options.onDirty] ?? DirtyPolicy.RESCUE,
      force: options.force === true,
      dryRun: options.dryRun === true,
    });
    const isPlan = options.dryRun === true;
    if (options.json) {
      await writeLine(JSON.stringify(toJson(CleanupWorkspaceResponseSchema, answer), undefined, 2));
    } else {
      await (isPlan ? showPlan(answer) : showOutcome(answer));
    }
    const hasFailed = isPlan ? answer.ready === CloseReadiness.BLOCKED : !answer.cleaned;
    if (hasFailed) throw new ExitError("");
  });
}

async function showPlan(answer: CleanupWorkspaceResponse): Promise<void> {
  const { plannedActions, services, runIds, warnings, ready } = answer;
  const steps = plannedActions.map(({ description, command }, index) => {
    const step = `${index + 1}. ${description}`;
    return command === "" ? step : `${step}: ${command}`;
  });
  await writeLine(steps.length === 0 ? "Nothing would be done." : steps.join("\n"));
  if (services.length > 0) {
    await writeLine(`Services: ${services.map(({ serviceName }) => serviceName).join(", ")}`);
  }
  if (runIds.length > 0) await writeLine(`Leased by: ${runIds.join(", ")}`);
  for (const warning of warnings) await writeLine(`Warning: ${warning}`, process.stderr);
  if (ready === CloseReadiness.BLOCKED) {
    await writeLine("It would be refused: --force or another --on-dirty may help.", process.stderr);
  }
}

async function showOutcome(answer: CleanupWorkspaceResponse): Promise<void> {
  const { operations, warnings, cleaned, rescueRef, workspace } = answer;
  for (const { message } of operations) await writeLine(message);
  for (const warning of warnings) await writeLine(`Warning: ${warning}`, process.stderr);
  if (rescueRef !== "") {
    await writeLine(
      `\`workspace-runtime workspace restore ${workspace?.workspaceId}\` brings it back, uncommitted work included.`,
    );
  }
  await writeLine(cleaned ? "Cleaned." : "Not cleaned: what is left is told above.");
}
