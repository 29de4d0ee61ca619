/** Calls of one key share one piece of work while it goes on. */
export interface JoinedCalls<T> {
  /** `isFirst` says whether this call began the work. */
  join(
    key: string,
    begin: () => T,
    until: (work: T) => Promise<unknown>,
  ): { work: T; isFirst: boolean };
}

export function createJoinedCalls<T>(): JoinedCalls<T> {
  const inFlight = new Map<string, T>();
  return {
    join(key, begin, until) {
      const known = inFlight.get(key);
      if (known !== undefined) return { work: known, isFirst: false };
      const work = begin();
      inFlight.set(key, work);
      const end = () => void inFlight.delete(key);
      until(work).then(end, end);
      return { work, isFirst: true };
    },
  };
}
