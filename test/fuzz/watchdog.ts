import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { TestServer } from "../support/server.ts";

/** How the server did, seen from a thread of its own: the fuzz's own work must not be taken for the server's. */
export interface Watchdog {
  stop(): Promise<Vitals>;
}

export interface Vitals {
  readonly healthChecks: number;
  /**
   * Slowest answers to a health check, in ms: of all, and of 99 in 100. Without the time for which the server, or who
   * asks it, was ready to run and had no processor: on a machine that does other work that is most of it.
   */
  readonly slowestMs: number;
  readonly slowMs: number;
  readonly firstMiB: number;
  readonly largestMiB: number;
  readonly lastMiB: number;
}

/** Asks once in 100 ms; an answer that does not come within 30 s counts as those. */
const PROGRAM = `
const { parentPort, workerData } = require("node:worker_threads");
const fs = require("node:fs");
const http = require("node:http");
let over = false;
parentPort.once("message", () => { over = true; });
const ask = () => new Promise((resolve) => {
  const request = http.get(workerData.address + "/healthz", { agent: false, timeout: 30_000 }, (response) => {
    response.resume();
    response.on("end", resolve);
  });
  request.on("timeout", () => request.destroy());
  request.on("error", resolve);
});
(async () => {
  const waited = (thread) => {
    try {
      return Number(fs.readFileSync("/proc/" + thread + "/schedstat", "utf8").split(" ")[1]) / 1e6;
    } catch { return 0; }
  };
  const waits = () => waited(workerData.pid + "/task/" + workerData.pid) + waited("thread-self");
  const times = [];
  while (!over) {
    const began = performance.now();
    const before = waits();
    await ask();
    times.push(Math.max(0, performance.now() - began - (waits() - before)));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  parentPort.postMessage(times.sort((a, b) => a - b));
})();`;

export function watch(server: TestServer): Watchdog {
  const worker = new Worker(PROGRAM, {
    eval: true,
    workerData: { address: server.address, pid: server.pid },
  });
  const firstMiB = memoryMiB(server.pid);
  let largestMiB = firstMiB;
  const look = () => {
    largestMiB = Math.max(largestMiB, memoryMiB(server.pid));
  };
  const timer = setInterval(look, 250);
  return {
    async stop() {
      clearInterval(timer);
      const times = await new Promise<number[]>((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
        worker.postMessage("over");
      });
      await worker.terminate();
      return {
        healthChecks: times.length,
        slowestMs: Math.round(times.at(-1) ?? 0),
        slowMs: Math.round(times[Math.floor(times.length * 0.99)] ?? 0),
        firstMiB,
        largestMiB,
        lastMiB: memoryMiB(server.pid),
      };
    },
  };
}

/** 0 when it does not live. */
export function memoryMiB(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  } catch {
    return 0;
  }
}
