import type { Service } from "../model/service.ts";
import type { DesiredState } from "../model/workspace.ts";
import type { Store, StoreQueries } from "../store/store.ts";
import type { ServicesCore } from "./core.ts";
import type { Intent } from "./intents.ts";
import { projectOf } from "./project-of.ts";
import { isWorkspace, type ServiceHome } from "./service-place.ts";

/**
 * What is wanted of this service: RUNNING if its workspace says so or, for what a project shares or has for itself, its
 * project workspace; else what the workspace says. An archived workspace wants nothing any more.
 */
export async function desiredState(
  store: Pick<Store, "workspaces" | "projectWorkspaces">,
  service: Service,
): Promise<DesiredState | undefined> {
  const workspace = await store.workspaces.get(service.workspaceId);
  const own =
    workspace === undefined || workspace.state === "ARCHIVED"
      ? undefined
      : desiredOf(workspace, service.serviceName);
  const isOfProject = service.scopeType === "PROJECT_WORKSPACE" || service.workspaceId === "";
  if (own === "RUNNING" || !isOfProject) return own;
  const project = await projectOf(store, service);
  const shared = project && desiredOf(project, service.serviceName);
  return shared === "RUNNING" ? shared : (own ?? shared);
}

/** Said of the service by its name, else of the whole. */
export function desiredOf(home: ServiceHome, serviceName: string): DesiredState | undefined {
  return Object.hasOwn(home.serviceStates, serviceName)
    ? home.serviceStates[serviceName]
    : home.desiredState;
}

/**
 * As a run that asks for the home's configuration meets it: where a workspace says nothing and takes its
 * services from its project workspace, what is said there.
 */
export async function desiredOfConfigured(
  store: Store,
  home: ServiceHome,
  serviceName: string,
): Promise<DesiredState | undefined> {
  const own = desiredOf(home, serviceName);
  if (own !== undefined || !isWorkspace(home) || home.runtimeConfig !== undefined) return own;
  const project = await projectOf(store, home);
  return project && desiredOf(project, serviceName);
}

interface ControlWords {
  readonly serviceNames: readonly string[];
  readonly services?: readonly unknown[];
}

/** From the moment of the call on, what later calls say counts more. */
export function declareIntent(
  core: ServicesCore,
  home: ServiceHome,
  request: ControlWords,
): Intent | undefined {
  if ((request.services ?? []).length > 0) return undefined;
  const id = isWorkspace(home) ? home.workspaceId : `project ${home.projectWorkspaceId}`;
  return core.intents.declare(id, request.serviceNames);
}

/**
 * A call for the whole home says what is wanted of it; one for names, only of these; one that brought services
 * of its own, nothing.
 */
export async function writeDesired(
  core: ServicesCore,
  home: ServiceHome,
  { serviceNames }: ControlWords,
  intent: Intent | undefined,
  wanted: DesiredState,
): Promise<void> {
  if (intent === undefined) return;
  await core.store.transaction(async (tx) => {
    if (serviceNames.length === 0) {
      if (intent.isLatest("")) await update(tx, home, { desiredState: wanted });
      return;
    }
    const names = serviceNames.filter((name) => intent.isLatest(name));
    const { serviceStates } = (await reread(tx, home)) ?? home;
    const named = Object.fromEntries(names.map((name) => [name, wanted]));
    await update(tx, home, { serviceStates: { ...serviceStates, ...named } });
  });
}

/** Undefined when it was deleted meanwhile. */
export function reread(
  store: Pick<StoreQueries, "workspaces" | "projectWorkspaces">,
  home: ServiceHome,
): Promise<ServiceHome | undefined> {
  return isWorkspace(home)
    ? store.workspaces.get(home.workspaceId)
    : store.projectWorkspaces.get(home.projectWorkspaceId);
}

async function update(
  tx: StoreQueries,
  home: ServiceHome,
  patch: Partial<Pick<ServiceHome, "desiredState" | "serviceStates">>,
): Promise<void> {
  if (isWorkspace(home)) await tx.workspaces.update(home.workspaceId, patch);
  else await tx.projectWorkspaces.update(home.projectWorkspaceId, patch);
}
