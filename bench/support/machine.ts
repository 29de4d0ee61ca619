import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { isQuick } from "./bench.ts";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  /** Of the last minute, before the first bench: others who want the cores make every figure worse. */
  readonly load: number;
  readonly date: string;
  readonly quick: boolean;
  /** All of it in a sentence. */
  readonly text: string;
}

export function describeMachine(): Machine {
  const facts = {
    processor: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryGb: Math.floor(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    load: loadavg()[0] ?? Number.NaN,
    date: new Date().toISOString().slice(0, 10),
    quick: isQuick,
  };
  const { processor, cores, memoryGb, kernel, node, load, date, quick } = facts;
  const text =
    `${date}, ${cores} cores of ${processor}, ${memoryGb} GiB, Linux ${kernel}, Node ${node}, ` +
    `load ${load.toFixed(2)} before the first bench` +
    (quick ? ". **Quick sizes: the figures say little.**" : ".");
  return { ...facts, text };
}
