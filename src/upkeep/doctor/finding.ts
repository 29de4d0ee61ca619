/** What is looked at, in the order that it is told. */
export const CHECKS = [
  "data directory",
  "store",
  "processes",
  "strays",
  "directories",
  "worktrees",
  "ports",
] as const;

export type Check = (typeof CHECKS)[number];

/** Something that is not as it should be. */
export interface Finding {
  readonly check: Check;
  /** A sentence. */
  readonly problem: string;
  /** What a person can do about it. */
  readonly advice: string;
  /** Absent: it takes a person. */
  readonly repair?: Repair;
}

export interface Repair {
  /** Said before it is done: "end pid 12 (sleep 600)". */
  readonly what: string;
  /** Rejects when it could not be done. */
  run(): Promise<void>;
}
