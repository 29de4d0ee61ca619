// The promise that the server can die at any instruction and nobody who uses a service notices, tried: see docs/reliability.md.
//   npm run chaos -- --minutes 10 --seed 7 --kills 200 --database sqlite|postgres --verbose
import { interrupted } from "../support/interrupted.ts";
import { createFigures, tableOf } from "./figures.ts";
import { createGate } from "./gate.ts";
import { createHistory } from "./history.ts";
import { createLedger } from "./ledger.ts";
import { parseOptions } from "./options.ts";
import { play } from "./play.ts";
import { createScene } from "./scene.ts";
import type { Stage } from "./stage.ts";

const TOLD = 200;

const options = parseOptions(process.argv.slice(2));
const { seed, database } = options;
console.log(
  `chaos: seed ${seed}, ${database}, ${options.minutes} minutes or ${options.kills} kills`,
);
const history = createHistory(options.verbose ? console.log : undefined);
const figures = createFigures();
const failed = new AbortController();
const scene = await createScene(options);
const stage: Stage = {
  ...{ scene, seed, history, figures },
  ledger: createLedger(),
  gate: createGate(),
  fail(problem) {
    history.note("failure", String(problem));
    failed.abort(problem);
  },
};
interrupted().catch(stage.fail);
const began = performance.now();
try {
  await play(stage, options, failed.signal);
} catch (error) {
  failed.abort(error);
}
const seconds = Math.round((performance.now() - began) / 1000);
await scene.close(failed.signal.aborted);
if (failed.signal.aborted) {
  console.log(history.last(TOLD).join("\n"));
  console.log(failed.signal.reason);
  console.log(
    `chaos: FAILED with seed ${seed} at kill ${figures.counts.kills}, after ${seconds} s`,
  );
  console.log(
    `again: npm run chaos -- --seed ${seed} --minutes ${options.minutes} --database ${database}`,
  );
  console.log(`everything is kept in ${scene.directory}`);
} else {
  console.log(tableOf(figures));
  console.log(JSON.stringify({ seed, database, seconds, ...figures.counts }));
}
process.exit(failed.signal.aborted ? 1 : 0);
