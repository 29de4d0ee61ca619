export type LeaseMode = "SHARED" | "EXCLUSIVE";

/** A run's claim on a workspace or a service. All times are epoch ms. */
export interface Lease {
  readonly leaseId: string;
  readonly companyId: string;
  readonly runId: string;
  readonly workspaceId: string;
  /** "" when the lease is on the workspace itself. */
  readonly serviceId: string;
  readonly mode: LeaseMode;
  /** 0: never expires. */
  readonly ttlMs: number;
  /** Larger for each later lease, for ever. */
  readonly fencingToken: number;
  readonly createTime: number;
  readonly renewTime: number;
  /** Absent when the ttl is 0. */
  readonly expireTime?: number;
  readonly revision: number;
}

/** Callers who ask again and again need no write each time. */
const FRESH_MS = 1_000;

/**
 * Until when, in epoch ms, a lease is as good as one that is just renewed: it ends by a hundredth of its
 * ttl earlier at most, and by 1 s.
 */
export function standsUntil({ renewTime, ttlMs }: Pick<Lease, "renewTime" | "ttlMs">): number {
  return renewTime + (ttlMs === 0 ? FRESH_MS : Math.min(ttlMs / 100, FRESH_MS));
}
