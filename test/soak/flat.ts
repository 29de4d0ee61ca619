import type { Sample } from "./sample.ts";

/** How much more there may be at the end: an amount, or a share of what was there if that is more. */
interface Bound {
  readonly amount: number;
  readonly share?: number;
}

const BOUNDS: Readonly<Record<keyof Sample, Bound>> = {
  // With garbage that V8 sees no reason to collect while there is memory: what is alive is measured apart.
  rss_mb: { amount: 150, share: 0.5 },
  descriptors: { amount: 3 },
  inotify_watches: { amount: 2 },
  threads: { amount: 1 },
  files: { amount: 12 },
  rows: { amount: 1 },
  timers: { amount: 3 },
  handles: { amount: 3 },
  live_services: { amount: 0 },
  open_logs: { amount: 1 },
  log_readers: { amount: 0 },
  file_watches: { amount: 1 },
  status_watchers: { amount: 0 },
};

export interface Flatness {
  readonly name: keyof Sample | "live_heap_mb";
  /** Median of the first third. */
  readonly before: number;
  /** Median of the last third. */
  readonly after: number;
  readonly allowed: number;
  readonly isFlat: boolean;
}

/** The last 4,096 changes and services are kept in memory, 4 to 8 KB together: full before the warm-up of a long run ends. */
const HEAP_MB = { amount: 8, share: 0.15 };

/**
 * Compares the first third of the samples, which were all taken at rest after the warm-up, with the last; and the first
 * of the live heaps with the last.
 */
export function judge(samples: readonly Sample[], heaps: readonly number[]): readonly Flatness[] {
  const [before = Number.NaN, after = Number.NaN] = [heaps[0], heaps.at(-1)];
  return [compared("live_heap_mb", before, after, HEAP_MB), ...judgeSamples(samples)];
}

function judgeSamples(samples: readonly Sample[]): readonly Flatness[] {
  const third = Math.max(1, Math.floor(samples.length / 3));
  return (Object.keys(BOUNDS) as (keyof Sample)[]).map((name) => {
    const before = median(samples.slice(0, third).map((sample) => sample[name]));
    const after = median(samples.slice(-third).map((sample) => sample[name]));
    return compared(name, before, after, BOUNDS[name]);
  });
}

function compared(
  name: Flatness["name"],
  before: number,
  after: number,
  { amount, share = 0 }: Bound,
): Flatness {
  const allowed = Math.round(before + Math.max(amount, share * before));
  return { name, before, after, allowed, isFlat: after <= allowed };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
