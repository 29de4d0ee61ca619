import { type Bench, isReached, type Measure, type Target } from "./bench.ts";

export interface Result {
  readonly number: number;
  readonly title: string;
  readonly measures: readonly Measure[];
  /** What went wrong, when there are no measures. */
  readonly error?: string;
}

/** Markdown. Figures are cut after three digits, never rounded to the better side. */
export function resultTable(results: readonly Result[]): string {
  const lines = ["| | measured | value | target | reached |", "|---|---|---|---|---|"];
  for (const { number, title, measures, error } of results) {
    lines.push(`| **${number}** | **${title}** | | | |`);
    if (error !== undefined) lines.push(`| | failed: ${oneLine(error)} | | | no |`);
    for (const measure of measures) lines.push(row(measure));
  }
  return `${lines.join("\n")}\n`;
}

/** What a bench prints when it is run alone, or its record for the suite. */
export async function report(bench: Bench): Promise<void> {
  const { number, title } = bench;
  const result: Result = { number, title, measures: await bench.run() };
  console.log(process.env.BENCH_JSON === "1" ? JSON.stringify(result) : resultTable([result]));
  // PM2's library may hold sockets open.
  process.exit();
}

function row(measure: Measure): string {
  const { what, value, unit, target, note } = measure;
  const reached = { true: "yes", false: "**no**", undefined: "" }[String(isReached(measure))];
  const shown = Number.isFinite(value) ? `${figure(value, target)} ${unit}` : "";
  const label = note === undefined ? what : `${what} (${note})`;
  return `| | ${oneLine(label)} | ${shown} | ${limit(target, unit)} | ${reached} |`;
}

function limit(target: Target | undefined, unit: string): string {
  if (target === undefined) return "";
  return "atLeast" in target ? `≥ ${target.atLeast} ${unit}` : `≤ ${target.atMost} ${unit}`;
}

function figure(value: number, target: Target | undefined): string {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  const scale = 10 ** Math.min(digits, 6);
  const isWorseUp = target !== undefined && "atMost" in target;
  // A hair against 1.1 * 10 being 11.000000000000002.
  const cut = isWorseUp ? Math.ceil(value * scale - 1e-9) : Math.floor(value * scale + 1e-9);
  return String(cut / scale);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|");
}
