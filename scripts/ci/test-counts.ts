/**
 * Prints what vitest's JSON report says, whose path is the first argument: each failed test with the first lines of its error, then as
 * the last line `N passed, N failed` (and `, N skipped`). The failures stand at the end, since the middle of a long output gets cut.
 */
import { readFileSync } from "node:fs";
import { relative } from "node:path";

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    /** Why the file as a whole failed. */
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

const LINES_OF_AN_ERROR = 25;

const report = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Report;
for (const file of report.testResults) {
  const path = relative(process.cwd(), file.name);
  const failed = file.assertionResults.filter(({ status }) => status === "failed");
  if (file.status === "failed" && failed.length === 0) tell(path, file.message ?? "");
  for (const { fullName, failureMessages } of failed)
    tell(`${path} > ${fullName}`, failureMessages?.join("\n") ?? "");
}

const skipped = report.numPendingTests + report.numTodoTests;
const counts = [`${report.numPassedTests} passed`, `${report.numFailedTests} failed`];
if (skipped > 0) counts.push(`${skipped} skipped`);
console.log(counts.join(", "));

function tell(heading: string, error: string): void {
  const lines = error.split("\n").slice(0, LINES_OF_AN_ERROR);
  console.log([`--- failed: ${heading}`, ...lines].join("\n    "));
}
