import { isAbsolute, resolve } from "node:path";
import { isSecretName } from "../environment/secrets.ts";
import { invalidField } from "../errors.ts";
import type { ServiceCommand, ServiceSpec, StopPolicy } from "../model/service-spec.ts";
import type { AgentRef, IssueRef } from "../model/workspace.ts";
import { renderTemplate, type TemplateVariables, templateNames } from "../templates/render.ts";
import { type Identity, type IdentityScope, identify, scopeOf } from "./identity.ts";
import { nameOf } from "./service-name.ts";
import type { ServicePlace } from "./service-place.ts";
import { defaultEnvKey, portsOf } from "./validate-spec.ts";

/** A spec met with its place and caller: all that is needed to know it again and to start it. */
export interface ServicePlan {
  readonly spec: ServiceSpec;
  readonly name: string;
  readonly command: ServiceCommand;
  /** As a person would read it in a list. */
  readonly commandText: string;
  readonly cwd: string;
  readonly scope: IdentityScope;
  readonly identity: Identity;
  readonly stopPolicy: StopPolicy;
  readonly workspace: ServicePlace;
  readonly issueId: string;
  readonly agentId: string;
  /** The main port has the name "". */
  readonly ports: readonly PlannedPort[];
  /** The adapter's variables that this service sees. Never stored. */
  readonly adapterEnv: Readonly<Record<string, string>>;
  /** Renders one of the spec's templates once the ports are known. */
  render(template: string, ports: PortNumbers, field: string): string;
}

export interface PlannedPort {
  readonly name: string;
  readonly envKey: string;
  readonly fixed?: number;
}

/** By port name; the main port is "". */
export type PortNumbers = Readonly<Record<string, number>>;

export interface PlanContext {
  readonly workspace: ServicePlace;
  /** "" for a call of control: no run leases it. */
  readonly runId: string;
  /** The caller's, else the workspace's. */
  readonly agent?: AgentRef;
  readonly issue?: IssueRef;
  readonly adapterEnv: Readonly<Record<string, string>>;
  readonly defaultStopPolicy: StopPolicy;
  /** Keys the published hash, so that it tells nothing of what went into it. */
  readonly identityKey: string;
}

/**
 * Renders what can be rendered before the ports are known, and checks every template.
 * @param field the spec's proto path: `services[0]`
 * @throws RuntimeError INVALID_TEMPLATE, INVALID_FIELD
 */
export function planService(spec: ServiceSpec, context: PlanContext, field: string): ServicePlan {
  const { workspace } = context;
  const name = nameOf(spec);
  const command = spec.process;
  if (command === undefined) {
    throw invalidField(`${field}.command`, "a command or argv is required: say what to run");
  }
  const scope = scopeOf(spec, workspace, context);
  const adapterEnv = visibleAdapterEnv(spec, scope, context.adapterEnv);
  const ports = portsOf(spec).map(({ portName, port }) => ({
    name: portName,
    envKey: port.envKey || defaultEnvKey(portName),
    ...(port.port === "auto" ? {} : { fixed: port.port }),
  }));
  const render = (template: string, numbers: PortNumbers, path: string) =>
    renderTemplate(template, variables(context, adapterEnv, ports, numbers), path);

  refuseSecretInCwd(spec, `${field}.cwd`);
  const cwd = absoluteCwd(render(spec.cwd || ".", {}, `${field}.cwd`), workspace.cwd);
  const fixed = Object.fromEntries(
    ports.flatMap((port) => (port.fixed === undefined ? [] : [[port.name, port.fixed]])),
  );
  const env = mapValues(spec.env ?? {}, (value, key) =>
    render(value, fixed, `${field}.env["${key}"]`),
  );
  for (const [template, path] of askedTemplates(spec)) render(template, fixed, `${field}.${path}`);

  const identity = identify({
    key: context.identityKey,
    scope,
    companyId: workspace.companyId,
    placeId: workspace.workspaceId || workspace.projectWorkspaceId,
    runId: context.runId,
    name,
    command,
    cwd,
    ports,
    env,
    urlTemplates: askedTemplates(spec).map(([template]) => template),
    ephemeral: spec.lifecycle === "EPHEMERAL",
    adapterEnv,
  });
  return {
    spec,
    name,
    command,
    commandText: command.kind === "command" ? command.command : command.args.join(" "),
    cwd,
    scope,
    identity,
    stopPolicy: spec.stopPolicy ?? context.defaultStopPolicy,
    workspace,
    issueId: context.issue?.issueId ?? "",
    agentId: context.agent?.agentId ?? "",
    ports,
    adapterEnv,
    render,
  };
}

/** The spec's own variables, its ports' among them, over the adapter's. */
export function serviceVariables(plan: ServicePlan, ports: PortNumbers): Record<string, string> {
  return {
    ...plan.adapterEnv,
    ...mapValues(plan.spec.env ?? {}, (value, key) => plan.render(value, ports, `env["${key}"]`)),
    ...Object.fromEntries(plan.ports.map(({ name, envKey }) => [envKey, String(ports[name])])),
  };
}

/** expose's URL, else the HTTP probe's, else "". */
export function serviceUrl(plan: ServicePlan, ports: PortNumbers): string {
  const check = plan.spec.readiness?.check;
  const template =
    plan.spec.expose?.urlTemplate || (check?.kind === "http" ? check.urlTemplate : undefined);
  return template ? plan.render(template, ports, "expose.url_template") : "";
}

/**
 * LISTED (the default of scope project_workspace) shows the listed keys and those that a template
 * names; ALL (the default of the others) everything.
 */
function visibleAdapterEnv(
  spec: ServiceSpec,
  scope: IdentityScope,
  adapterEnv: Readonly<Record<string, string>>,
): Record<string, string> {
  const mode = spec.adapterEnvMode ?? (scope.type === "PROJECT_WORKSPACE" ? "LISTED" : "ALL");
  if (mode === "NONE") return {};
  if (mode === "ALL") return { ...adapterEnv };
  const named = allTemplates(spec)
    .flatMap(templateNames)
    .flatMap((name) => (name.startsWith(ENV_PATH) ? [name.slice(ENV_PATH.length)] : []));
  const keys = new Set([...(spec.adapterEnvKeys ?? []), ...named]);
  return Object.fromEntries(Object.entries(adapterEnv).filter(([key]) => keys.has(key)));
}

const ENV_PATH = "workspace.env.";

/** A directory is stored, listed and compared as it is: nothing of it can be blotted out. */
function refuseSecretInCwd({ cwd = "" }: ServiceSpec, field: string): void {
  const secret = templateNames(cwd).find(
    (name) => name.startsWith(ENV_PATH) && isSecretName(name.slice(ENV_PATH.length)),
  );
  if (secret === undefined) return;
  const advice = "directories are shown to everybody: use a variable without a secret";
  throw invalidField(field, `{{${secret}}} has the name of a secret, and ${advice}`);
}

function allTemplates(spec: ServiceSpec): string[] {
  return [
    spec.cwd ?? "",
    ...Object.values(spec.env ?? {}),
    ...askedTemplates(spec).map(([template]) => template),
  ];
}

/** Those of expose and of the probes, with their fields. */
function askedTemplates(spec: ServiceSpec): [template: string, field: string][] {
  const exposed = spec.expose?.urlTemplate;
  return [
    ...(exposed ? [[exposed, "expose.url_template"] as [string, string]] : []),
    ...(["readiness", "liveness"] as const).flatMap((probe): [string, string][] => {
      const check = spec[probe]?.check;
      if (check?.kind !== "http") return [];
      const { urlTemplate, headers = {} } = check;
      return [
        ...(urlTemplate ? [[urlTemplate, `${probe}.http.url_template`] as [string, string]] : []),
        ...Object.entries(headers).map(([name, template]): [string, string] => [
          template,
          `${probe}.http.headers["${name}"]`,
        ]),
      ];
    }),
  ];
}

function variables(
  context: PlanContext,
  adapterEnv: Readonly<Record<string, string>>,
  ports: readonly PlannedPort[],
  numbers: PortNumbers,
): TemplateVariables {
  const { workspace, issue, agent } = context;
  const extra = ports.filter(({ name }) => name !== "");
  return {
    workspace: {
      cwd: workspace.cwd,
      branchName: workspace.branchName,
      worktreePath: workspace.worktreePath,
      repoUrl: workspace.repoUrl,
      repoRef: workspace.repoRef,
      env: new Map(Object.entries(adapterEnv)),
    },
    issue: { id: issue?.issueId, identifier: issue?.identifier, title: issue?.title },
    agent: { id: agent?.agentId, name: agent?.name },
    ports: Object.fromEntries(extra.map(({ name }) => [name, numbers[name]])),
    // Left out, not empty, without a port: `{{port}}` is then a mistake to be told.
    ...(ports.some(({ name }) => name === "") ? { port: numbers[""] } : {}),
  };
}

function absoluteCwd(cwd: string, base: string): string {
  return isAbsolute(cwd) ? resolve(cwd) : resolve(base, cwd);
}

function mapValues(
  record: Readonly<Record<string, string>>,
  map: (value: string, key: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
