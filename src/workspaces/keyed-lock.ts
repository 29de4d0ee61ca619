/** Lets one caller at a time in for each key, in the order of asking. */
export interface KeyedLock {
  run<T>(key: string, work: () => Promise<T>): Promise<T>;
  /**
   * Grows whenever any key is let go. Unchanged since before a look: nobody who was in then, or came
   * in meanwhile, has spoiled what was seen.
   */
  readonly turns: number;
}

export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<void>>();
  let turns = 0;
  return {
    get turns() {
      return turns;
    },
    async run(key, work) {
      const own = (tails.get(key) ?? Promise.resolve()).then(work);
      const letGo = () => {
        turns += 1;
        if (tails.get(key) === settled) tails.delete(key);
      };
      const settled = own.then(letGo, letGo);
      tails.set(key, settled);
      return await own;
    },
  };
}
