import { parseArgs } from "node:util";
import { chosenSeed } from "../support/random.ts";

export interface ChaosOptions {
  /** What the plan follows from; the same one again takes the same choices, timing aside. */
  readonly seed: number;
  /** The last kill is not begun after so long. */
  readonly minutes: number;
  /** Ends after so many kills, if the time is not over before. */
  readonly kills: number;
  readonly database: "sqlite" | "postgres";
  /** Print the history as it happens. */
  readonly verbose: boolean;
}

/** @throws Error that says which option is wrong. */
export function parseOptions(args: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string" },
      minutes: { type: "string", default: "1" },
      kills: { type: "string", default: "100000" },
      database: { type: "string", default: "sqlite" },
      verbose: { type: "boolean", default: false },
    },
  });
  const { database } = values;
  if (database !== "sqlite" && database !== "postgres") {
    throw new Error(`--database ${database}: sqlite or postgres`);
  }
  return {
    seed: values.seed === undefined ? chosenSeed() : positive("seed", values.seed),
    minutes: positive("minutes", values.minutes),
    kills: positive("kills", values.kills),
    database,
    verbose: values.verbose,
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} ${text}: a number above 0`);
  return value;
}
