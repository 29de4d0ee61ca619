import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  errorDetails,
  type ListServicesRequestSchema,
  type RuntimeClient,
  type Service,
  ServiceState,
} from "../client/index.ts";
import { ExitError, usageError } from "./exit-error.ts";

export const LIVE_STATES: readonly ServiceState[] = [
  ServiceState.STARTING,
  ServiceState.RUNNING,
  ServiceState.STOPPING,
  ServiceState.BACKOFF,
];

/**
 * A service by its id or its name: of those with this name the one that lives, else the newest.
 * @throws ExitError when there is none, or when several live.
 */
export async function findService(client: RuntimeClient, idOrName: string): Promise<Service> {
  const named = await listServices(client, { serviceNames: [idOrName] });
  const living = named.filter(({ state }) => LIVE_STATES.includes(state));
  if (living.length > 1) {
    const list = living.map(({ serviceId, cwd }) => `\n  ${serviceId}  ${cwd}`).join("");
    throw usageError(
      `${living.length} services are named "${idOrName}": say which by its id${list}`,
    );
  }
  const found = living[0] ?? named[0] ?? (await getService(client, idOrName));
  if (found !== undefined) return found;
  throw new ExitError(
    `There is no service "${idOrName}": \`workspace-runtime ps --all\` lists what there is.`,
  );
}

/** All pages, newest first. */
export async function listServices(
  client: RuntimeClient,
  filter: MessageInitShape<typeof ListServicesRequestSchema>,
): Promise<Service[]> {
  const services: Service[] = [];
  let pageToken = "";
  do {
    const page = await client.listServices({ ...filter, pageSize: 500, pageToken });
    services.push(...page.services);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return services;
}

async function getService(client: RuntimeClient, serviceId: string): Promise<Service | undefined> {
  try {
    return (await client.getService({ serviceId })).service;
  } catch (error) {
    // A name that cannot be an id is just as unknown.
    const { code } = errorDetails(error);
    if (code === Code.NotFound || code === Code.InvalidArgument) return undefined;
    throw error;
  }
}
