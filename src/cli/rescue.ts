import { Command } from "commander";
import { group } from "./group.ts";
import { rescueDeleteCommand } from "./rescue-delete.ts";
import { rescueListCommand } from "./rescue-list.ts";
import { rescueRestoreCommand } from "./rescue-restore.ts";

/** `rescue`: uncommitted work that cleanups have saved. */
export function rescueCommand(): Command {
  return group(
    new Command("rescue").description("list, restore and delete work that cleanups have saved"),
    [rescueListCommand(), rescueRestoreCommand(), rescueDeleteCommand()],
  );
}
