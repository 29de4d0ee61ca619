/** What a fuzz did, and what it found. */
export interface Report {
  count(what: string, by?: number): void;
  fail(what: string): void;
  readonly counts: ReadonlyMap<string, number>;
  readonly failures: readonly string[];
}

export function createReport(onFailure: (what: string) => void = () => {}): Report {
  const counts = new Map<string, number>();
  const failures: string[] = [];
  return {
    counts,
    failures,
    count(what, by = 1) {
      counts.set(what, (counts.get(what) ?? 0) + by);
    },
    fail(what) {
      failures.push(what);
      onFailure(what);
    },
  };
}
