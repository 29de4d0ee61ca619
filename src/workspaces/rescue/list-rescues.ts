import { invalidField } from "../../errors.ts";
import type { Git } from "../../git/git.ts";
import type { Page, PageRequest } from "../../model/page.ts";
import type { Workspace, WorkspaceState } from "../../model/workspace.ts";
import type { Store } from "../../store/store.ts";
import type { Rescue, RescueFilter } from "./rescue.ts";
import { readRescueMessage } from "./rescue-record.ts";
import { RESCUE_REFS, rescuePrefix, rescueTime } from "./rescue-ref.ts";

const DEFAULT_PAGE_SIZE = 50;
const LARGEST_PAGE_SIZE = 500;

/** Rescues are refs: the repositories of all workspaces are asked. One that is away has none. */
export async function listRescues(
  { store, git }: { readonly store: Store; readonly git: Git },
  filter: RescueFilter,
  { pageSize, pageToken }: PageRequest,
): Promise<Page<Rescue>> {
  const after = pageToken === "" ? undefined : decodeToken(pageToken);
  const { workspaces, revision } = await readWorkspaces(store, filter);
  const repositories = new Map<string, Workspace[]>();
  for (const workspace of workspaces) {
    if (workspace.gitCommonDir === "") continue;
    const known = repositories.get(workspace.gitCommonDir) ?? [];
    repositories.set(workspace.gitCommonDir, [...known, workspace]);
  }
  const found: Rescue[] = [];
  for (const [commonDir, owners] of repositories) {
    found.push(...(await readRescues(git, commonDir, owners)));
  }
  const size = pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(pageSize, LARGEST_PAGE_SIZE);
  const rest = found
    .sort(newestFirst)
    .filter((rescue) => after === undefined || isAfter(rescue, after));
  const items = rest.slice(0, size);
  const last = items.at(-1);
  const nextPageToken = rest.length > size && last !== undefined ? encodeToken(last) : "";
  return { items, nextPageToken, revision };
}

/** The rescues of some workspaces of one repository; unsorted. None of one that is away. */
export async function readRescues(
  git: Git,
  commonDir: string,
  workspaces: readonly Workspace[],
): Promise<Rescue[]> {
  const owners = new Map(workspaces.map((owner) => [rescuePrefix(owner.workspaceId), owner]));
  const [only] = workspaces.length === 1 ? owners.keys() : [];
  const format = "--format=%(refname)%00%(objectname)%00%(contents)%00";
  const answer = await git
    .inspect(commonDir, ["for-each-ref", format, only ?? RESCUE_REFS])
    .catch(() => undefined);
  if (answer?.exitCode !== 0) return [];
  const fields = answer.stdout.split("\0");
  const rescues: Rescue[] = [];
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const ref = (fields[at] ?? "").replace(/^\n/, "");
    const owner = owners.get(ref.replace(/[^/]*$/, ""));
    const createTime = rescueTime(ref);
    if (owner === undefined || createTime === undefined) continue;
    const { branch, head, changedFiles } = readRescueMessage(fields[at + 2] ?? "");
    rescues.push({
      workspaceId: owner.workspaceId,
      ref,
      commit: fields[at + 1] ?? "",
      companyId: owner.companyId,
      repoRoot: owner.repoRoot,
      branchName: branch,
      baseCommit: head,
      changedFiles,
      createTime,
    });
  }
  return rescues;
}

function newestFirst(a: Rescue, b: Rescue): number {
  return b.createTime - a.createTime || (a.ref < b.ref ? 1 : -1);
}

async function readWorkspaces(store: Store, { companyId, workspaceId }: RescueFilter) {
  const filter = {
    companyId,
    projectId: "",
    projectWorkspaceIds: [],
    issueIds: [],
    states: [] as WorkspaceState[],
    labels: {},
  };
  if (workspaceId !== "") {
    const { revision } = await store.workspaces.list(filter, { pageSize: 1, pageToken: "" });
    const workspace = await store.workspaces.get(workspaceId);
    const isAsked = workspace !== undefined && ["", workspace.companyId].includes(companyId);
    return { workspaces: isAsked ? [workspace] : [], revision };
  }
  let page = await store.workspaces.list(filter, { pageSize: LARGEST_PAGE_SIZE, pageToken: "" });
  // The first page's: a watch from here misses no change of the later ones.
  const { revision } = page;
  const workspaces = [...page.items];
  while (page.nextPageToken !== "") {
    const next = { pageSize: LARGEST_PAGE_SIZE, pageToken: page.nextPageToken };
    page = await store.workspaces.list(filter, next);
    workspaces.push(...page.items);
  }
  return { workspaces, revision };
}

interface Position {
  readonly time: number;
  readonly ref: string;
}

function isAfter({ createTime, ref }: Rescue, after: Position): boolean {
  return createTime < after.time || (createTime === after.time && ref < after.ref);
}

function encodeToken({ createTime, ref }: Rescue): string {
  return Buffer.from(JSON.stringify([createTime, ref])).toString("base64url");
}

function decodeToken(token: string): Position {
  try {
    const [time, ref]: unknown[] = JSON.parse(Buffer.from(token, "base64url").toString());
    if (typeof time === "number" && typeof ref === "string") return { time, ref };
  } catch {
    // Not ours: said below.
  }
  throw invalidField("page_token", "is not the next_page_token of an earlier page");
}
