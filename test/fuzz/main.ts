import { parseArgs } from "node:util";
import { chosenSeed } from "../support/random.ts";
import { fuzz } from "./fuzz.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "1" }, seed: { type: "string" } },
});
const seed = values.seed === undefined ? chosenSeed() : Number(values.seed);
const seconds = Number(values.minutes) * 60;
if (!(seconds > 0) || !Number.isInteger(seed)) {
  process.stderr.write("usage: npm run fuzz -- [--minutes N] [--seed N]\n");
  process.exit(2);
}
process.stdout.write(`seed ${seed}, ${values.minutes} minutes\n`);
const result = await fuzz({
  seed,
  seconds,
  onFailure: (what) => process.stdout.write(`FAILED ${what}\n`),
});
for (const [what, count] of [...result.counts].sort()) {
  process.stdout.write(`${String(count).padStart(8)}  ${what}\n`);
}
const { vitals, failures, rounds, memoryMiB } = result;
const eighths = memoryMiB.filter((_, index) => index % Math.ceil(rounds / 8) === 0);
process.stdout.write(
  `health: ${vitals.healthChecks} checks, the slowest ${vitals.slowestMs} ms, 99 of 100 within ${vitals.slowMs} ms\n` +
    `memory: ${vitals.firstMiB} MiB at first, ${vitals.largestMiB} at most, ${vitals.lastMiB} at last; on the way: ${eighths.join(" ")}\n` +
    `${rounds} rounds, ${failures.length} failures; the same again: npm run fuzz -- --minutes ${values.minutes} --seed ${seed}\n`,
);
process.exit(failures.length === 0 ? 0 : 1);
