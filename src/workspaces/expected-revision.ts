import { RuntimeError } from "../errors.ts";

/**
 * Throws STALE_REVISION, with the revision that is stored (0: there is no such row), unless that is
 * the one that the caller has seen. 0 stands for any. To be asked in the transaction that writes.
 */
export function refuseStale(
  expected: number,
  stored: { readonly revision: number } | undefined,
): void {
  const revision = stored?.revision ?? 0;
  if (expected === 0 || expected === revision) return;
  const message = `it is at revision ${revision} now, not at ${expected}: read it and decide again`;
  throw new RuntimeError("STALE_REVISION", message, { metadata: { revision } });
}
