/** What a run of the harness came to; each a count from 0. */
export interface Figures {
  add(name: FigureName, by?: number): void;
  readonly counts: Readonly<Record<FigureName, number>>;
}

export const FIGURES = [
  "kills",
  "kills_by_failpoint",
  "kills_at_start",
  "generations",
  "calls",
  "calls_cut",
  "refusals",
  "prepares",
  "services_started",
  "restarts_by_policy",
  "streams",
  "stream_resumes",
  "bytes_verified",
  "lines_verified",
  "watch_changes",
  "watch_resumes",
  "checks",
  "looks",
  "processes_checked",
  "doubles_looked_for",
  "edits",
  "cleanups",
  "restores",
  "edits_found_again",
  "pings",
] as const;

export type FigureName = (typeof FIGURES)[number];

export function createFigures(): Figures {
  const counts = Object.fromEntries(FIGURES.map((name) => [name, 0])) as Record<FigureName, number>;
  return {
    counts,
    add(name, by = 1) {
      counts[name] += by;
    },
  };
}

/** A column of names and one of numbers. */
export function tableOf({ counts }: Figures): string {
  const rows = FIGURES.map((name) => [
    name.replaceAll("_", " "),
    counts[name].toLocaleString("en"),
  ]);
  const width = Math.max(...rows.map(([name = ""]) => name.length));
  return rows
    .map(([name = "", count = ""]) => `${name.padEnd(width)} ${count.padStart(13)}`)
    .join("\n");
}
