import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { KnownWorkspace } from "./ledger.ts";
import { git } from "./scene.ts";
import type { Stage } from "./stage.ts";

/**
 * Everything that was written is there to the byte: in the worktree, or, of one that is gone, in the commit that kept
 * its work, or on its branch.
 * @throws Error that names what is lost
 */
export function checkEdits(
  { scene, figures }: Stage,
  { workspaceId, worktreePath, branchName, edits, place }: KnownWorkspace,
  rescueRef: string,
): void {
  const read = (path: string) => {
    if (place === "worktree") return readFileSync(join(worktreePath, path), "utf8");
    return git(scene.repository, "show", `${rescueRef || branchName}:${path}`);
  };
  for (const [path, expected] of edits) {
    let content: string;
    try {
      content = read(path);
    } catch (cause) {
      throw new Error(
        `lost: ${path} of ${workspaceId} (${place}, "${rescueRef}", ${worktreePath})`,
        {
          cause,
        },
      );
    }
    if (createHash("sha256").update(content).digest("hex") !== expected) {
      throw new Error(`changed: ${path} of ${workspaceId} (${place}, "${rescueRef}")`);
    }
    figures.add("edits_found_again");
  }
}
