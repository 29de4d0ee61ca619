/**
 * Which call said last what is wanted of a home's services: a start that took long must not write RUNNING over
 * the stop that came meanwhile. Holds one number for each home and name that was ever controlled.
 */
export interface Intents {
  /** Of these names; none: of the whole home. */
  declare(home: string, names: readonly string[]): Intent;
}

export interface Intent {
  /** Of this name ("": of the whole), no later call has said otherwise. */
  isLatest(name: string): boolean;
}

export function createIntents(): Intents {
  const latest = new Map<string, number>();
  let count = 0;
  return {
    declare(home, names) {
      count += 1;
      const mine = count;
      const keyOf = (name: string) => JSON.stringify([home, name]);
      for (const name of names.length === 0 ? [WHOLE] : names) latest.set(keyOf(name), mine);
      return {
        isLatest: (name) =>
          (latest.get(keyOf(name)) ?? mine) <= mine && (latest.get(keyOf(WHOLE)) ?? 0) <= mine,
      };
    },
  };
}

const WHOLE = "";
