/** Lets one caller at a time in for each key, in the order of asking. */
export interface KeyedLock {
  run<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** How often `key` was let go: unchanged and not held means that nobody was in meanwhile. */
  turns(key: string): number;
}

export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<unknown>>();
  const turns = new Map<string, number>();
  return {
    async run(key, work) {
      const before = tails.get(key);
      const own = (before ?? Promise.resolve()).then(work);
      const settled = own
        .catch(() => {})
        .then(() => {
          turns.set(key, (turns.get(key) ?? 0) + 1);
          if (tails.get(key) === settled) tails.delete(key);
        });
      tails.set(key, settled);
      return await own;
    },
    turns: (key) => turns.get(key) ?? 0,
  };
}
