import type { Clock } from "../clock.ts";
import type { Workspaces } from "../workspaces/workspaces.ts";
import type { GarbageRequest, Tally } from "./garbage.ts";

const PAGE = 100;

/** Only when an age is asked for: saved work is nobody's garbage by itself. */
export async function collectRescues(
  { workspaces, clock }: { readonly workspaces?: Rescues; readonly clock: Clock },
  { companyId, rescueAgeMs, dryRun, actor }: GarbageRequest,
  tally: Tally,
): Promise<void> {
  if (rescueAgeMs === undefined || workspaces === undefined) return;
  const before = clock.now() - rescueAgeMs;
  const old = (await listAll(workspaces, companyId)).filter(
    ({ createTime }) => createTime <= before,
  );
  for (const { ref, workspaceId, commit } of old) {
    try {
      const request = { ref, workspaceId, expectedCommit: commit, ...(actor && { actor }) };
      if (!dryRun) await workspaces.deleteRescue(request, new AbortController().signal);
      tally.rescues += 1;
    } catch (error) {
      tally.warnings.push(`The rescue ${ref} stays: ${(error as Error).message}.`);
    }
  }
}

export type Rescues = Pick<Workspaces, "listRescues" | "deleteRescue">;

async function listAll(workspaces: Rescues, companyId: string) {
  const rescues = [];
  let pageToken = "";
  do {
    const page = await workspaces.listRescues(
      { companyId, workspaceId: "" },
      { pageSize: PAGE, pageToken },
    );
    rescues.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return rescues;
}
