import { create } from "@bufbuild/protobuf";
import { GetRuntimeInfoResponseSchema } from "../../gen/workspace/runtime/v1/info_pb.ts";
import type { ServiceFailure } from "../errors.ts";
import { serviceFailureToMessage } from "./convert/failure.ts";
import { timestampOrAbsent } from "./convert/time.ts";
import type { Handlers } from "./handlers.ts";

/** What the server knows of itself. */
export interface RuntimeInfo {
  readonly version: string;
  readonly nodeId: string;
  readonly installationId: string;
  /** "sqlite" or "postgres". */
  readonly store: string;
  /** Epoch ms. */
  readonly startTime: number;
  readonly reconcile: ReconcileFacts;
  readonly counts: Readonly<Record<string, number>>;
  readonly limits: Readonly<Record<string, number>>;
}

export interface ReconcileFacts {
  /** "running" or "done". */
  readonly state: string;
  readonly reconciled: number;
  readonly adopted: number;
  readonly stopped: number;
  readonly restarted: number;
  readonly failed: number;
  readonly strays: number;
  readonly failures: readonly ServiceFailure[];
}

export function createInfoHandlers(
  info: () => RuntimeInfo | Promise<RuntimeInfo>,
): Pick<Handlers, "getRuntimeInfo"> {
  return {
    async getRuntimeInfo() {
      const facts = await info();
      return create(GetRuntimeInfoResponseSchema, {
        version: facts.version,
        nodeId: facts.nodeId,
        installationId: facts.installationId,
        store: facts.store,
        startTime: timestampOrAbsent(facts.startTime),
        reconcile: {
          ...facts.reconcile,
          failures: facts.reconcile.failures.map(serviceFailureToMessage),
        },
        counts: toInt64(facts.counts),
        limits: toInt64(facts.limits),
      });
    },
  };
}

function toInt64(numbers: Readonly<Record<string, number>>): Record<string, bigint> {
  return Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [name, BigInt(Math.trunc(value))]),
  );
}
