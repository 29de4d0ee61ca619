import { Command } from "commander";
import { addConnectionOptions, withClient } from "./connection.ts";
import { ExitError } from "./exit-error.ts";
import { findRescue } from "./find-rescue.ts";
import { type RestoreOptions, restore } from "./workspace-restore.ts";

/** `rescue restore`: brings the workspace back that the work was saved from, with the work. */
export function rescueRestoreCommand(): Command {
  return addConnectionOptions(new Command("restore"))
    .description("bring the workspace of a rescue back, with the work that was saved")
    .argument("<REF>", "as `rescue list` shows it")
    .option("--json", "the answer of the API")
    .action(rescueRestore);
}

async function rescueRestore(ref: string, options: RestoreOptions): Promise<void> {
  await withClient(options, async (client) => {
    const { workspaceId, repoRoot } = await findRescue(client, ref);
    const { workspace } = await client.getWorkspace({ workspaceId });
    if (workspace?.rescueRef !== ref) {
      throw new ExitError(
        `Only what the last cleanup of a workspace saved is restored with it; see an earlier one with \`git -C '${repoRoot}' show ${ref}\`.`,
      );
    }
    await restore(client, workspaceId, options);
  });
}
