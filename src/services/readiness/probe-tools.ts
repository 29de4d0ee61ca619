import type { Clock } from "../../clock.ts";
import { maskSecrets } from "../../environment/secrets.ts";
import type { Log } from "../../logs/log.ts";
import type { Instance } from "../../supervisor/instance.ts";
import { runProbeCommand } from "../../supervisor/probe-command.ts";
import type { Launch } from "../launch.ts";
import type { ProbeTools } from "./ask.ts";
import { awaitLogLine } from "./await-log-line.ts";
import { portOwner } from "./port-owner.ts";
import type { ProbeHosts } from "./probe-hosts.ts";

/** One service's tools for the instance that it has now. */
export type MakeProbeTools = (
  launch: Launch | undefined,
  instance: Instance,
  /** Which instance of the service it is, from 1. */
  number: number,
) => ProbeTools;

export function createProbeTools(options: {
  readonly clock: Clock;
  readonly hosts: ProbeHosts;
  readonly shell: string;
  readonly openLog: () => Promise<Log>;
}): MakeProbeTools {
  const { clock, hosts, shell, openLog } = options;
  return (launch, instance, number) => ({
    hosts,
    // Without descriptors left to look with it cannot be told, and what answered has answered.
    ownerOf: (port) => portOwner(port, instance).catch(() => ({ kind: "unknown" })),
    async runCommand(command, timeoutMs) {
      if (launch === undefined) throw new Error("what it was started with is lost");
      const { cwd, env } = launch;
      const end = await runProbeCommand({ shell, command, cwd, env, timeoutMs });
      // Before anybody cuts it: half a secret would not be known again.
      return { ...end, output: maskSecrets(end.output, env) };
    },
    awaitLogLine: async (pattern, timeoutMs, signal) =>
      awaitLogLine({
        log: await openLog(),
        pattern,
        instance: number,
        startTime: instance.startTime,
        timeoutMs,
        clock,
        signal,
      }),
  });
}
