/** What keeps this process's event loop alive: numbers that must not grow with the work that was done. */
export interface ActiveResources {
  readonly timers: number;
  /** Sockets, pipes, watches, child processes and requests under way. */
  readonly handles: number;
}

export function countActiveResources(): ActiveResources {
  const resources = process.getActiveResourcesInfo();
  const timers = resources.filter((name) => name === "Timeout" || name === "Immediate").length;
  return { timers, handles: resources.length - timers };
}
