import type { StopProof } from "../model/service.ts";
import type { ProcessStat } from "./process-stat.ts";

/** How the processes of one instance are found, killed and proven gone; by cgroup, by scan or by group. */
export interface Hold {
  /** The live processes of the instance, looked up now. */
  find(): Promise<readonly ProcessStat[]>;
  /** Sends the stop signal, then CONT. False: it reached nobody. */
  ask(members: readonly ProcessStat[], signal: NodeJS.Signals): boolean;
  /** Kills all that can be found, before any of it can multiply. */
  force(): Promise<void>;
  /** Whether all is proven gone. False: something lives, or the proof needs longer: `force`, then ask again. */
  proveGone(): Promise<boolean>;
  /** What the proof rests on, once given. */
  proof(): StopProof;
}
