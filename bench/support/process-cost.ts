import { readdirSync, readFileSync } from "node:fs";

/** CPU time of all its threads so far, in milliseconds. Threads that have ended are not in it. */
export function cpuMs(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  }
  return ns / 1e6;
}

export function rssMb(pid: number): number {
  return kilobytes(`/proc/${pid}/status`, "VmRSS") / 1024;
}

/** Memory with what is shared counted in parts, in KB. */
export function pssKb(pid: number): number {
  return kilobytes(`/proc/${pid}/smaps_rollup`, "Pss");
}

export interface ProcessFacts {
  readonly pid: number;
  readonly name: string;
}

/** All processes below `pid`, itself not included. */
export function descendants(pid: number): ProcessFacts[] {
  const children = new Map<number, ProcessFacts[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const close = stat.lastIndexOf(")");
      const parent = Number(stat.slice(close + 2).split(" ")[1]);
      const facts = { pid: Number(entry), name: stat.slice(stat.indexOf("(") + 1, close) };
      children.set(parent, [...(children.get(parent) ?? []), facts]);
    } catch {
      // Gone meanwhile.
    }
  }
  const found: ProcessFacts[] = [];
  for (const queue = [pid]; queue.length > 0; ) {
    const below = children.get(queue.pop() as number) ?? [];
    found.push(...below);
    queue.push(...below.map((one) => one.pid));
  }
  return found;
}

/** The largest RSS that was seen between `watchRss` and the call of what it returns, in MB. */
export function watchRss(pid: number): () => number {
  let most = rssMb(pid);
  const timer = setInterval(() => {
    most = Math.max(most, rssMb(pid));
  }, 20);
  return () => {
    clearInterval(timer);
    return Math.max(most, rssMb(pid));
  };
}

function kilobytes(file: string, key: string): number {
  const line = readFileSync(file, "utf8")
    .split("\n")
    .find((one) => one.startsWith(`${key}:`));
  return Number(/(\d+) kB/.exec(line ?? "")?.[1]);
}
