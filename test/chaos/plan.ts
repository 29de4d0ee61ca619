import { FAILPOINTS } from "../../src/failpoints.ts";
import { createRandom } from "../support/random.ts";

/** How one generation of the server shall end; every second one by a failpoint, if it is met. */
export interface Plan {
  /** For WORKSPACE_RUNTIME_FAILPOINTS; "" arms none. */
  readonly failpoints: string;
  /** SIGKILL so long after its start, ready or not; undefined: not before it was looked at. */
  readonly killAfterStartMs: number | undefined;
  /** SIGKILL so long after it was looked at, if it lives then. */
  readonly lifeMs: number;
}

/** Dies when it is told to. */
export const CALM: Plan = { failpoints: "", killAfterStartMs: undefined, lifeMs: 0 };

export function planOf(seed: number, generation: number): Plan {
  const random = createRandom(Math.imul(seed, 31) + generation);
  const isArmed = generation % 2 === 1;
  const points = [
    `${random.pick(FAILPOINTS)}=kill(${1 + random.below(4)})`,
    `${random.pick(FAILPOINTS)}=kill(${1 + random.below(2)})`,
    `${random.pick(FAILPOINTS)}=delay(${10 + random.below(500)},5)`,
  ];
  return {
    failpoints: isArmed ? points.slice(random.below(2)).join(";") : "",
    killAfterStartMs: !isArmed && random.percent(25) ? random.below(2_000) : undefined,
    lifeMs: 50 + random.below(isArmed ? 2_500 : 1_800),
  };
}
