import { existsSync, readFileSync, readlinkSync } from "node:fs";

/**
 * What the host tells about processes.
 *
 * Linux is the full platform. Elsewhere (macOS) there is no /proc, and then, all of it following from `proc: false`:
 * - a process has no start time that a later server could trust, so nothing is adopted: an instance that still runs is
 *   "foreign", one with an `exit` record has ended;
 * - a tree is its main process's group: a child in a group of its own is not found, and a stop is proved by the exit
 *   record, the end of the output and the empty group;
 * - there are no cgroups and no subreaper; listeners are unknown, a port counts as free when it can be bound.
 */
export interface Platform {
  /** /proc is there and can be believed. */
  readonly proc: boolean;
  /** Changes with each boot; "" without /proc. */
  readonly bootId: string;
  /** "pid:[4026531836]": the numbers of other namespaces mean other processes; "" without /proc. */
  readonly pidNamespace: string;
}

export function detectPlatform(): Platform {
  if (process.platform !== "linux" || !existsSync("/proc/self/stat")) {
    return { proc: false, bootId: "", pidNamespace: "" };
  }
  return {
    proc: true,
    bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
    pidNamespace: readlinkSync("/proc/self/ns/pid"),
  };
}
