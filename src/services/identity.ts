import { createHmac } from "node:crypto";
import type { ScopeType, ServiceCommand, ServiceSpec } from "../model/service-spec.ts";
import type { AgentRef } from "../model/workspace.ts";
import { canonicalJson } from "./canonical-json.ts";
import type { PlannedPort } from "./plan.ts";
import type { ServicePlace } from "./service-place.ts";

/** Which services one process may serve. */
export interface Identity {
  /** Equal for specs that are equal in all but the adapter's variables. */
  readonly base: string;
  /** Of the adapter variables that the service sees; "" when it sees none. */
  readonly adapter: string;
  /** Both in one: what rows hold and callers see. */
  readonly reuseKey: string;
}

export interface IdentityScope {
  readonly type: ScopeType;
  readonly id: string;
}

export interface IdentityParts {
  readonly key: string;
  readonly scope: IdentityScope;
  readonly companyId: string;
  /** The workspace, or the project workspace where there is none. */
  readonly placeId: string;
  readonly runId: string;
  readonly name: string;
  readonly command: ServiceCommand;
  readonly cwd: string;
  readonly ports: readonly PlannedPort[];
  /** Rendered, with empty automatic ports. */
  readonly env: Readonly<Record<string, string>>;
  /** Of probes and expose. */
  readonly urlTemplates: readonly string[];
  readonly ephemeral: boolean;
  readonly adapterEnv: Readonly<Record<string, string>>;
}

/**
 * A shared service is known by what it is; an ephemeral one by its run, workspace and name alone: the
 * same run joins it, and asks for a replacement by asking for something else.
 */
export function identify(parts: IdentityParts): Identity {
  const hash = (value: unknown) =>
    createHmac("sha256", parts.key).update(canonicalJson(value)).digest("hex").slice(0, 32);
  const what = [
    parts.companyId,
    parts.scope.type,
    parts.scope.id,
    parts.name,
    parts.command,
    parts.cwd,
    parts.ports,
    parts.env,
    parts.urlTemplates,
  ];
  if (parts.ephemeral) {
    const base = hash(["ephemeral", parts.companyId, parts.runId, parts.placeId, parts.name]);
    const adapter = hash([what, parts.adapterEnv]);
    return { base, adapter, reuseKey: `${base}.${adapter}` };
  }
  const base = hash(what);
  const adapter = Object.keys(parts.adapterEnv).length === 0 ? "" : hash(parts.adapterEnv);
  return { base, adapter, reuseKey: adapter === "" ? base : `${base}.${adapter}` };
}

/** The identity that a row was started under. */
export function identityOf(reuseKey: string): Identity {
  const [base = "", adapter = ""] = reuseKey.split(".");
  return { base, adapter, reuseKey };
}

/**
 * May a caller of identity `wanted` use a service of identity `running` (equal bases)? One that
 * sees no adapter variable serves every run; a call of control (no adapter) takes what there is.
 */
export function mayJoin(wanted: Identity, running: Identity, control: boolean): boolean {
  return wanted.adapter === running.adapter || running.adapter === "" || control;
}

export function scopeOf(
  spec: ServiceSpec,
  workspace: ServicePlace,
  caller: { readonly runId: string; readonly agent?: AgentRef },
): IdentityScope {
  const type = spec.reuseScope ?? (spec.lifecycle === "EPHEMERAL" ? "RUN" : "PROJECT_WORKSPACE");
  switch (type) {
    case "PROJECT_WORKSPACE":
      return {
        type,
        id: workspace.projectWorkspaceId || workspace.projectId || workspace.workspaceId,
      };
    case "EXECUTION_WORKSPACE":
      return { type, id: workspace.workspaceId || workspace.cwd };
    case "RUN":
      return { type, id: caller.runId };
    case "AGENT":
      return { type, id: caller.agent?.agentId ?? "" };
  }
}
