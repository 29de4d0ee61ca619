import type { Exit } from "./exit-status.ts";
import type { Instance } from "./instance.ts";
import type { ClaimState, InstanceRecord } from "./instance-directory.ts";

/** An instance of an earlier boot, or out of sight and recorded as ended: history, to which nothing can be sent. */
export function createPastInstance(options: {
  readonly directory: string;
  readonly record: InstanceRecord;
  readonly pid: Extract<ClaimState, { kind: "process" }>;
  readonly exit: Exit;
}): Instance {
  const { directory, record, pid, exit } = options;
  const main = { pid: pid.process.pid, startTime: pid.process.startTime };
  return {
    instanceId: record.instanceId,
    directory,
    pid: main.pid,
    identity: { bootId: record.bootId, pidNamespace: record.pidNamespace, ...main },
    startTime: pid.time,
    exited: Promise.resolve(exit),
    drained: Promise.resolve(),
    stop: async () => ({
      proven: true,
      proof: "SCAN",
      signals: [],
      escalated: false,
      processesEnded: 0,
      survivors: [],
      durationMs: 0,
      portsFree: true,
    }),
    isAlive: () => false,
    members: async () => [],
    listener: async () => "NONE",
    environment: async () => ({}),
  };
}
