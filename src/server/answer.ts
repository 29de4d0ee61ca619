/**
 * Awaits promises of one call one after the other, each until the call's signal aborts: then `race`
 * throws the signal's reason at once. One listener for the whole call: racing every message of a long
 * stream against one promise would keep a reaction for each.
 */
export function createRace(signal: AbortSignal): <T>(promise: Promise<T>) => Promise<T> {
  let giveUp: ((reason: unknown) => void) | undefined;
  signal.addEventListener("abort", () => giveUp?.(signal.reason), { once: true });
  return (promise) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        // Nobody awaits it any more; what it rejects with must not end the process.
        promise.catch(() => {});
        reject(signal.reason);
        return;
      }
      giveUp = reject;
      promise.then(resolve, reject);
    });
}

/** What a handler streams, let go of when the call ends however that comes. */
export interface Answers<T> {
  /** The next answer; undefined after the last. Throws the signal's reason once it aborts. */
  next(): Promise<T | undefined>;
  /** For the end of a call that is not the end of the answers; harmless after it. */
  release(): void;
}

/**
 * Pulls from a handler's iterable. When `signal` aborts the iterator is returned, though nobody pulls:
 * a generator left suspended at its `yield` would hold what it has for ever.
 */
export function pullAnswers<T>(source: AsyncIterable<T>, signal: AbortSignal): Answers<T> {
  const iterator = source[Symbol.asyncIterator]();
  const race = createRace(signal);
  const release = () => {
    signal.removeEventListener("abort", release);
    iterator.return?.()?.catch(() => {});
  };
  signal.addEventListener("abort", release);
  if (signal.aborted) release();

  return {
    async next() {
      const { done, value } = await race(iterator.next());
      return done ? undefined : value;
    },
    release,
  };
}
