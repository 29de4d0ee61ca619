import { toJson } from "@bufbuild/protobuf";
import { Command } from "commander";
import { DeleteRescueResponseSchema } from "../client/index.ts";
import { addConnectionOptions, type ConnectionOptions, withClient } from "./connection.ts";
import { findRescue } from "./find-rescue.ts";
import { writeLine } from "./terminal.ts";

/** `rescue delete`: gives saved work up. */
export function rescueDeleteCommand(): Command {
  return addConnectionOptions(new Command("delete"))
    .description("give up work that a cleanup saved")
    .argument("<REF>", "as `rescue list` shows it")
    .option("--json", "the answer of the API")
    .action(rescueDelete);
}

interface DeleteOptions extends ConnectionOptions {
  readonly json?: boolean;
}

async function rescueDelete(ref: string, options: DeleteOptions): Promise<void> {
  await withClient(options, async (client) => {
    const { workspaceId, commit, repoRoot } = await findRescue(client, ref);
    const answer = await client.deleteRescue({ ref, workspaceId, expectedCommit: commit });
    if (options.json) {
      await writeLine(JSON.stringify(toJson(DeleteRescueResponseSchema, answer), undefined, 2));
    } else {
      await writeLine(
        `Deleted ${ref}. Until git collects its garbage, \`git -C '${repoRoot}' show ${commit}\` still has it.`,
      );
    }
  });
}
