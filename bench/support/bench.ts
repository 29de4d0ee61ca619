/** One measurement of the suite: a file of its own that also runs alone. */
export interface Bench {
  /** As in the table. */
  readonly number: number;
  readonly title: string;
  run(): Promise<readonly Measure[]>;
}

export interface Measure {
  readonly what: string;
  /** No number where it is missing: null, once it has been JSON. */
  readonly value: number;
  /** `×` for ratios. */
  readonly unit: string;
  readonly target?: Target;
  /** Why a value is missing, or what it was measured with. */
  readonly note?: string;
}

export type Target = { readonly atLeast: number } | { readonly atMost: number };

/** `BENCH_QUICK=1`: small sizes, to see that everything works. The figures say little then. */
export const isQuick = process.env.BENCH_QUICK === "1";

export function sized<T>(full: T, quick: T): T {
  return isQuick ? quick : full;
}

/** What a baseline that is not there leaves in the table. */
export function missing(what: string, note: string): Measure {
  return { what, value: Number.NaN, unit: "", note };
}

export function isReached({ value, target }: Measure): boolean | undefined {
  if (target === undefined || !Number.isFinite(value)) return undefined;
  return "atLeast" in target ? value >= target.atLeast : value <= target.atMost;
}
