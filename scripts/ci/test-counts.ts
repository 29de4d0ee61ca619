/** Prints `N passed, N failed` (and `, N skipped`) from vitest's JSON report, whose path is the first argument. */
import { readFileSync } from "node:fs";

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
}

const report = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Report;
const skipped = report.numPendingTests + report.numTodoTests;
const counts = [`${report.numPassedTests} passed`, `${report.numFailedTests} failed`];
if (skipped > 0) counts.push(`${skipped} skipped`);
console.log(counts.join(", "));
