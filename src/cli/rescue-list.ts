import { toJson } from "@bufbuild/protobuf";
import { Command } from "commander";
import { type Rescue, RescueSchema } from "../client/index.ts";
import { addConnectionOptions, type ConnectionOptions, withClient } from "./connection.ts";
import { listRescues } from "./find-rescue.ts";
import { table } from "./table.ts";
import { writeLine } from "./terminal.ts";
import { age, shortPath } from "./words.ts";

/** `rescue list`: the saved work of all repositories, newest first. */
export function rescueListCommand(): Command {
  return addConnectionOptions(new Command("list"))
    .description("list what cleanups have saved")
    .option("--workspace <ID>", "only this workspace's")
    .option("--company <ID>", "only this company's")
    .option("--json", "as the API has them")
    .action(list);
}

interface ListOptions extends ConnectionOptions {
  readonly workspace?: string;
  readonly company?: string;
  readonly json?: boolean;
}

async function list(options: ListOptions): Promise<void> {
  const filter = { workspaceId: options.workspace ?? "", companyId: options.company ?? "" };
  const rescues = await withClient(options, (client) => listRescues(client, filter));
  if (options.json) {
    const messages = rescues.map((rescue) => toJson(RescueSchema, rescue));
    await writeLine(JSON.stringify({ rescues: messages }, undefined, 2));
  } else if (rescues.length > 0) {
    await writeLine(table(["SAVED", "BRANCH", "FILES", "REPOSITORY", "REF"], rescues.map(row)));
  } else {
    await writeLine("No rescues.");
  }
}

function row({ createTime, branchName, changedFiles, repoRoot, ref }: Rescue): string[] {
  const saved = age(createTime);
  return [
    saved === "" ? "" : `${saved} ago`,
    branchName || "(detached)",
    changedFiles === undefined ? "" : String(changedFiles),
    shortPath(repoRoot),
    ref,
  ];
}
