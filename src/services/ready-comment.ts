import type { Workspace } from "../model/workspace.ts";
import type { EnsuredService } from "./services.ts";

/** What an orchestrator posts to the task when its workspace is up: Markdown, as callers show it. */
export function readyComment(workspace: Workspace, services: readonly EnsuredService[]): string {
  const bullets = [
    `Strategy: \`${workspace.strategy.toLowerCase()}\``,
    ...(workspace.branchName === "" ? [] : [`Branch: \`${plain(workspace.branchName)}\``]),
    `CWD: \`${plain(workspace.cwd)}\``,
    ...(workspace.worktreePath === "" || workspace.worktreePath === workspace.cwd
      ? []
      : [`Worktree: \`${plain(workspace.worktreePath)}\``]),
    ...services.map(
      ({ service, reused }) =>
        `Service: ${plain(service.serviceName)}: ${plain(service.url) || service.state.toLowerCase()}${reused ? " (reused)" : ""}`,
    ),
  ];
  return ["## Workspace Ready", "", ...bullets.map((bullet) => `- ${bullet}`)].join("\n");
}

/** A value must not end the code span or link that it stands in, nor start a line of its own. */
function plain(value: string): string {
  return value.replace(/[`\r\n[\]]/g, " ");
}
