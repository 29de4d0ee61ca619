import type { Access } from "./auth.ts";
import type { Calls } from "./calls.ts";
import type { ServerLimits } from "./limits.ts";
import type { ServerLog } from "./log.ts";
import type { Registration } from "./registration.ts";

/** What `grpc.ts` and `connect.ts` are both made of. */
export interface TransportOptions {
  readonly registrations: readonly Registration[];
  readonly access: Access;
  readonly calls: Calls;
  readonly limits: ServerLimits;
  readonly log: ServerLog;
}
