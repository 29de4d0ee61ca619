import { create } from "@bufbuild/protobuf";
import {
  HealthCheckResponseSchema,
  HealthListResponseSchema,
  type Health as HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../gen/grpc/health/v1/health_pb.ts";
import type { ServiceHandlers } from "../rpc/handler.ts";
import { StatusError } from "../rpc/status-error.ts";

/** `grpc.health.v1`: NOT_SERVING until told otherwise, and again when the server shuts down. */
export interface Health {
  readonly isServing: boolean;
  setServing(isServing: boolean): void;
  readonly handlers: ServiceHandlers<typeof HealthService>;
}

/** `services` are the names that can be asked about, besides "" for the server as a whole. */
export function createHealth(services: readonly string[]): Health {
  const names = new Set(["", ...services]);
  const watchers = new Set<() => void>();
  let isServing = false;

  const statusOf = (name: string) => {
    if (!names.has(name)) return ServingStatus.SERVICE_UNKNOWN;
    return isServing ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  };

  return {
    get isServing() {
      return isServing;
    },
    setServing(value) {
      isServing = value;
      for (const wake of watchers) wake();
    },
    handlers: {
      async check({ service }) {
        if (!names.has(service)) throw new StatusError("NOT_FOUND", "unknown service");
        return create(HealthCheckResponseSchema, { status: statusOf(service) });
      },
      async list() {
        const statuses = [...names].map((name) => [
          name,
          create(HealthCheckResponseSchema, { status: statusOf(name) }),
        ]);
        return create(HealthListResponseSchema, { statuses: Object.fromEntries(statuses) });
      },
      async *watch({ service }, { signal }) {
        let told: ServingStatus | undefined;
        while (!signal.aborted) {
          const status = statusOf(service);
          if (status !== told) {
            told = status;
            yield create(HealthCheckResponseSchema, { status });
          } else {
            await changed(signal);
          }
        }
      },
    },
  };

  function changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        watchers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      watchers.add(wake);
      signal.addEventListener("abort", wake);
    });
  }
}
