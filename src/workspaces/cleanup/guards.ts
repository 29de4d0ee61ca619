import { realpath } from "node:fs/promises";
import { homedir } from "node:os";
import type { Workspace } from "../../model/workspace.ts";
import type { Store } from "../../store/store.ts";
import { isInside, resolveSymlinks } from "../allowed-roots.ts";

/** Why a directory must not be removed, whatever the row says of it; undefined when it may be. */
export async function refusalToRemove(
  store: Store,
  workspace: Workspace,
  path: string,
): Promise<string | undefined> {
  const because = (why: string) => `Refusing to remove path "${path}" because ${why}.`;
  const projects = await store.projectWorkspaces.listAll("");
  const places = [workspace.baseCwd, ...projects.map(({ cwd }) => cwd)];
  if (await containsAny(path, places)) return because("it contains the project workspace");
  if (await containsAny(path, [workspace.repoRoot, workspace.gitCommonDir])) {
    return because("it contains the repository");
  }
  if (await containsAny(path, ["/", homedir(), process.cwd()])) {
    return because("it contains more than a workspace");
  }
  const resolved = await realpath(path).catch(() => undefined);
  if (resolved !== path) return because("it is a symlink or lies behind one");
  const live = await store.workspaces.listLive("");
  const inside = live.find(
    ({ workspaceId, cwd, worktreePath }) =>
      workspaceId !== workspace.workspaceId &&
      [cwd, worktreePath].some((place) => place !== path && place !== "" && isInside(place, path)),
  );
  return inside && because("another workspace lies in it");
}

/** Whichever way the path is spelled: as it stands, and as it leads. */
async function containsAny(path: string, places: readonly string[]): Promise<boolean> {
  const ways = [path, (await resolveSymlinks(path)) ?? path];
  for (const place of places) {
    if (place === "") continue;
    const actual = (await resolveSymlinks(place)) ?? place;
    if (ways.some((way) => isInside(actual, way) || isInside(place, way))) return true;
  }
  return false;
}
