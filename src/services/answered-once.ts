import type { Operation } from "../model/operation.ts";
import type { Store } from "../store/store.ts";
import type { ControlResult } from "./services.ts";

/** Calls with a request id: the first one does the work, all later ones get its answer. */
export interface AnsweredOnce {
  run(key: RequestKey, work: () => Promise<ControlResult>): Promise<ControlResult>;
}

export interface RequestKey {
  readonly companyId: string;
  readonly method: "StartServices" | "RestartServices";
  /** "" is none: then every call is its own. */
  readonly requestId: string;
}

/** What is kept: the services and the operation are rows, read anew for each later answer. */
interface Kept {
  readonly services: readonly { readonly serviceId: string; readonly reused: boolean }[];
  /** As it was: its row may be collected before the answer is. */
  readonly operation: Operation;
}

/** Calls in flight are joined; an answer is kept for 1 h, an error never: the next call tries again. */
export function createAnsweredOnce(store: Store): AnsweredOnce {
  const inFlight = new Map<string, Promise<ControlResult>>();

  return {
    run(key, work) {
      if (key.requestId === "") return work();
      const name = JSON.stringify([key.companyId, key.method, key.requestId]);
      let call = inFlight.get(name);
      if (call === undefined) {
        call = answer(key, work).finally(() => inFlight.delete(name));
        inFlight.set(name, call);
      }
      return call;
    },
  };

  async function answer(key: RequestKey, work: () => Promise<ControlResult>) {
    const kept = await store.requests.find(key);
    if (kept !== undefined) return restore(JSON.parse(kept) as Kept);
    const result = await work();
    if (result.failures.length === 0)
      await store.requests.keep(key, JSON.stringify(toKept(result)));
    return result;
  }

  async function restore({ services, operation }: Kept): Promise<ControlResult> {
    const rows = await Promise.all(
      services.map(async ({ serviceId, reused }) => {
        const service = await store.services.get(serviceId);
        return service === undefined ? [] : [{ service, reused }];
      }),
    );
    const present = (await store.operations.get(operation.operationId)) ?? operation;
    return { services: rows.flat(), stopped: [], failures: [], operation: present };
  }
}

function toKept({ services, operation }: ControlResult): Kept {
  return {
    services: services.map(({ service, reused }) => ({ serviceId: service.serviceId, reused })),
    operation,
  };
}
