import type { Service } from "../model/service.ts";
import type { DesiredState } from "../model/workspace.ts";
import type { Store } from "../store/store.ts";

/** What a person wants of this service: said of it by name, else of its whole workspace. */
export async function desiredState(
  store: Pick<Store, "workspaces">,
  service: Service,
): Promise<DesiredState | undefined> {
  const workspace = await store.workspaces.get(service.workspaceId);
  return workspace?.serviceStates[service.serviceName] ?? workspace?.desiredState;
}
