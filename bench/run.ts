/**
 * All benches, each in a process of its own, one after the other. Writes `bench-results.json` and
 * `bench-results.md` and prints the table. Arguments: numbers of benches; none: all.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { describeMachine } from "./support/machine.ts";
import { type Result, resultTable } from "./support/table.ts";

const BENCHES = [
  "log-replay",
  "live-tail",
  "many-clients",
  "paused-client",
  "log-latency",
  "writer-speed",
  "unary",
  "service-start",
  "watch-status",
  "idle-cost",
  "cold-start",
  "realize",
] as const;
/** Of one bench. It ends by itself long before. */
const TIMEOUT_MS = 15 * 60_000;

const chosen = process.argv.slice(2).map(Number);
const machine = describeMachine();
const results: Result[] = [];
for (const [index, name] of BENCHES.entries()) {
  const number = index + 1;
  if (chosen.length > 0 && !chosen.includes(number)) continue;
  console.error(`${number}/${BENCHES.length} ${name}`);
  results.push(await runBench(name, number));
  const table = `${machine.text}\n\n${resultTable(results)}`;
  writeFileSync("bench-results.json", `${JSON.stringify({ machine, results }, undefined, 2)}\n`);
  writeFileSync("bench-results.md", table);
}
console.log(`${machine.text}\n\n${resultTable(results)}`);

async function runBench(name: string, number: number): Promise<Result> {
  const file = new URL(`./${name}.ts`, import.meta.url).pathname;
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, BENCH_JSON: "1" },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: TIMEOUT_MS,
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  const [code, signal] = await once(child, "close");
  if (code === 0) return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Result;
  return { number, title: name, measures: [], error: `ended with ${code ?? signal}` };
}
