import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ListRescuesRequestSchema, Rescue, RuntimeClient } from "../client/index.ts";
import { ExitError } from "./exit-error.ts";

/**
 * A rescue by its ref.
 * @throws ExitError when there is none.
 */
export async function findRescue(client: RuntimeClient, ref: string): Promise<Rescue> {
  // "refs/workspace-runtime/rescue/<workspace id>/<time>"
  const workspaceId = ref.split("/").at(-2) ?? "";
  const found = (await listRescues(client, { workspaceId })).find((rescue) => rescue.ref === ref);
  if (found !== undefined) return found;
  throw new ExitError(
    `There is no rescue "${ref}": \`workspace-runtime rescue list\` lists what there is.`,
  );
}

/** All pages, newest first. */
export async function listRescues(
  client: RuntimeClient,
  filter: MessageInitShape<typeof ListRescuesRequestSchema>,
): Promise<Rescue[]> {
  const rescues: Rescue[] = [];
  let pageToken = "";
  do {
    const page = await client.listRescues({ ...filter, pageSize: 500, pageToken });
    rescues.push(...page.rescues);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return rescues;
}
