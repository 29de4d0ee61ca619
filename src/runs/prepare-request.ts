import { invalidField, isRuntimeError, RuntimeError } from "../errors.ts";
import { checkEnsure } from "../services/check-ensure.ts";
import type { EnsureRequest } from "../services/services.ts";
import type { RealizeRequest } from "../workspaces/workspaces.ts";

export interface PrepareRequest {
  readonly realize: RealizeRequest;
  /** Absent: no services. "" for its run and its workspace means those of `realize`. */
  readonly ensure?: EnsureRequest;
}

/**
 * The request as it is carried out. Both parts are looked at before anything is done for either.
 * With services to ensure, `realize.no_wait` means nothing: they need the workspace.
 * @throws RuntimeError INVALID_FIELD, with the paths of the whole request
 */
export function checkPrepare({ realize, ensure }: PrepareRequest): PrepareRequest {
  if (realize.runId === "") throw invalidField("realize.run_id", "is required");
  if (ensure === undefined) return { realize };
  if (ensure.runId !== "" && ensure.runId !== realize.runId) {
    throw invalidField("ensure.run_id", `must be that of realize, "${realize.runId}", or empty`);
  }
  if (ensure.workspaceId !== "" && ensure.workspaceId !== realize.workspaceId) {
    throw invalidField("ensure.workspace_id", "must be realize.workspace_id, or empty");
  }
  checkEnsure(ensure, "ensure.");
  return {
    realize: { ...realize, noWait: false },
    ensure: { ...ensure, runId: realize.runId },
  };
}

/** What a part refuses, with the paths that its fields have in the whole request. */
export async function asPart<T>(part: "realize" | "ensure", work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isRuntimeError(error) || error.violations.length === 0) throw error;
    const { reason, metadata, failures, violations, cause } = error;
    const pathOf = (field: string) =>
      // The stored configuration is no part of the request.
      field.startsWith("runtime_config.services") && part === "ensure" ? field : `${part}.${field}`;
    const first = violations[0]?.field ?? "";
    const message = error.message.startsWith(`${first}:`)
      ? pathOf(first) + error.message.slice(first.length)
      : error.message;
    throw new RuntimeError(reason, message, {
      metadata,
      failures,
      violations: violations.map((one) => ({ ...one, field: pathOf(one.field) })),
      cause,
    });
  }
}
