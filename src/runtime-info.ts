import packageFacts from "../package.json" with { type: "json" };
import type { Hub } from "./events/hub.ts";
import type { Logs } from "./logs/logs.ts";
import type { RuntimeInfo } from "./rpc/info-handlers.ts";
import { countActiveResources } from "./server/active-resources.ts";
import type { Boot } from "./services/boot.ts";
import type { ReconcileResult } from "./services/reconcile.ts";
import type { Registry } from "./services/registry.ts";
import type { Store } from "./store/store.ts";
import type { Supervisor } from "./supervisor/supervisor.ts";

/** What the start came to, as it becomes known. */
export interface StartStory {
  found?: ReconcileResult;
  boot?: Boot;
  /** Processes with this installation's marker that no row accounts for. */
  markedStrays: number;
}

export interface RuntimeInfoOptions {
  readonly installationId: string;
  /** Epoch ms. */
  readonly startTime: number;
  readonly store: Pick<Store, "kind">;
  readonly registry: Registry;
  readonly logs: Logs;
  readonly hub: Hub;
  readonly supervisor: Supervisor;
  readonly trimsLogs: boolean;
  readonly story: StartStory;
}

/** Answers GetRuntimeInfo: what the server is, found, holds and can do, now. */
export function createRuntimeInfo(options: RuntimeInfoOptions): () => RuntimeInfo {
  const { installationId, startTime, store, registry, logs, hub, supervisor, story } = options;
  const { version } = packageFacts;
  return () => {
    const { found, boot } = story;
    const { cgroup, subreaper, adoption, limits } = supervisor.capabilities();
    return {
      ...{ version, nodeId: installationId, installationId, store: store.kind, startTime },
      reconcile: {
        state: found === undefined ? "running" : "done",
        reconciled: found?.reconciled ?? 0,
        adopted: found?.adopted ?? 0,
        stopped: found?.stopped ?? 0,
        strays: (found?.strays ?? 0) + story.markedStrays,
        restarted: boot?.restarted ?? 0,
        failed: boot?.failed ?? 0,
        failures: boot?.failures ?? [],
      },
      counts: {
        live_services: registry.all().length,
        open_logs: logs.counts().open,
        log_readers: logs.counts().readers,
        file_watches: logs.counts().watchers,
        status_watchers: hub.watchers,
        ...countActiveResources(),
      },
      limits: {
        stop_proof_cgroup: Number(cgroup),
        stop_proof_subreaper: Number(subreaper),
        adoption: Number(adoption),
        log_trimming: Number(options.trimsLogs),
        limit_memory: Number(limits.memory),
        limit_cpu: Number(limits.cpu),
        limit_pids: Number(limits.pids),
      },
    };
  };
}
