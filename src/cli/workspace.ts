import { Command } from "commander";
import { group } from "./group.ts";
import { workspaceCleanCommand } from "./workspace-clean.ts";
import { workspaceListCommand } from "./workspace-list.ts";
import { workspaceRestoreCommand } from "./workspace-restore.ts";

/** `workspace`: where tasks work; to see, to end, to bring back. */
export function workspaceCommand(): Command {
  return group(new Command("workspace").description("list, clean and restore workspaces"), [
    workspaceListCommand(),
    workspaceCleanCommand(),
    workspaceRestoreCommand(),
  ]);
}
