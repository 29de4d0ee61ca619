import type { Sample } from "./sample.ts";

/** What may differ between the samples after the warm-up and the last ones: an amount, or a share. */
const BOUNDS: Readonly<Record<keyof Sample, { readonly amount: number; readonly share?: number }>> =
  {
    // A heap grows in steps and is not given back at once: a leak of 1 KB a start would be 10 MB in 10,000.
    rss_mb: { amount: 40, share: 0.25 },
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
  readonly name: keyof Sample;
  /** Median of the first third. */
  readonly before: number;
  /** Median of the last third. */
  readonly after: number;
  readonly allowed: number;
  readonly isFlat: boolean;
}

/** Compares the first third of the samples, which were all taken at rest after the warm-up, with the last. */
export function judge(samples: readonly Sample[]): readonly Flatness[] {
  const third = Math.max(1, Math.floor(samples.length / 3));
  return (Object.keys(BOUNDS) as (keyof Sample)[]).map((name) => {
    const { amount, share = 0 } = BOUNDS[name];
    const before = median(samples.slice(0, third).map((sample) => sample[name]));
    const after = median(samples.slice(-third).map((sample) => sample[name]));
    const allowed = Math.round(before + Math.max(amount, share * before));
    return { name, before, after, allowed, isFlat: after <= allowed };
  });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
