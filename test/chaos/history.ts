/** What happened, newest last; printed when something is wrong. */
export interface History {
  note(who: string, what: string): void;
  /** The newest lines, with the seconds since the beginning. */
  last(count: number): readonly string[];
}

const KEPT = 5_000;

export function createHistory(print?: (line: string) => void): History {
  const began = performance.now();
  let lines: string[] = [];
  return {
    note(who, what) {
      const seconds = ((performance.now() - began) / 1000).toFixed(3).padStart(8);
      const line = `${seconds} ${who.padEnd(12)} ${what}`;
      lines.push(line);
      if (lines.length > 2 * KEPT) lines = lines.slice(-KEPT);
      print?.(line);
    },
    last: (count) => lines.slice(-count),
  };
}
