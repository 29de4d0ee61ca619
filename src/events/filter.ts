import type { Change, Resource, ResourceKind, Subject } from "../model/change.ts";
import { subjectOf } from "../model/change.ts";

/** Fields AND, values of one field OR; an empty field does not filter. */
export interface WatchFilter {
  readonly companyId: string;
  readonly projectWorkspaceIds: readonly string[];
  readonly workspaceIds: readonly string[];
  readonly serviceIds: readonly string[];
  /** Leases and operations of the run, and the services that it leases or started. */
  readonly runIds: readonly string[];
  readonly kinds: readonly ResourceKind[];
}

export function matches(filter: WatchFilter, resource: Resource): boolean {
  return matchesSubject(filter, resource.kind, subjectOf(resource));
}

/**
 * The change as the filter's watcher must hear of it: as it is, as a DELETED when the resource left
 * the filter with it, or not at all.
 */
export function project(filter: WatchFilter, change: Change): Change | undefined {
  const { kind, previous, type } = change;
  const didMatch = previous !== undefined && matchesSubject(filter, kind, previous);
  if (type === "DELETED") return didMatch ? change : undefined;
  if (matches(filter, change)) return change;
  return didMatch ? { ...change, type: "DELETED" } : undefined;
}

function matchesSubject(filter: WatchFilter, kind: ResourceKind, subject: Subject): boolean {
  return (
    (filter.companyId === "" || filter.companyId === subject.companyId) &&
    hasAny(filter.kinds, [kind]) &&
    hasAny(filter.projectWorkspaceIds, [subject.projectWorkspaceId]) &&
    hasAny(filter.workspaceIds, [subject.workspaceId]) &&
    hasAny(filter.serviceIds, subject.serviceIds) &&
    hasAny(filter.runIds, subject.runIds)
  );
}

function hasAny(wanted: readonly string[], present: readonly string[]): boolean {
  return wanted.length === 0 || present.some((value) => wanted.includes(value));
}
