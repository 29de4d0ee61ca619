import { join } from "node:path";
import type { PerStream } from "./stream.ts";

/** What stands in a log's directory. The outputs and their gaps belong to the shim, the rest to this module. */
export interface LogFiles {
  /** Only ever appended to by one writer at a time; never written here, only punched. */
  readonly outputs: PerStream<string>;
  /** Lines "offset bytes": what a full disk lost, told by the shim. */
  readonly gaps: PerStream<string>;
  /** Times, order and instances: fixed-size records. */
  readonly index: string;
  /** The log's generation and where its kept part begins. */
  readonly head: string;
}

export function logFiles(directory: string): LogFiles {
  const stdout = join(directory, "stdout.log");
  const stderr = join(directory, "stderr.log");
  return {
    outputs: [stdout, stderr],
    gaps: [`${stdout}.gaps`, `${stderr}.gaps`],
    index: join(directory, "index"),
    head: join(directory, "head"),
  };
}
