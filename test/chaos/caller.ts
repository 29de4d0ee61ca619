import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorDetails } from "../../src/client/index.ts";
import type { Figures } from "./figures.ts";
import type { History } from "./history.ts";

/** Makes calls as one of the cast: again and again while the server is away, which is all that anyone may notice. */
export type Call = <T>(
  what: string,
  work: () => Promise<T>,
  /** Reasons for which it may be refused by what others do; then undefined is the answer. */
  expected?: readonly string[],
) => Promise<T | undefined>;

/** A server that does not come back in this time is no longer dying and starting. */
const AWAY_MS = 120_000;

export function createCaller(
  who: string,
  { history, figures }: { readonly history: History; readonly figures: Figures },
): Call {
  return async (what, work, expected = []) => {
    const until = performance.now() + AWAY_MS;
    for (let tries = 1; ; tries += 1) {
      figures.add("calls");
      if (tries === 1) history.note(who, what);
      try {
        const answer = await work();
        history.note(who, `${what}: ok${tries === 1 ? "" : `, at try ${tries}`}`);
        return answer;
      } catch (error) {
        if (!(error instanceof ConnectError)) throw error;
        const { reason, status, message } = errorDetails(error);
        if (error.code === Code.Unavailable && performance.now() < until) {
          if (tries === 1) history.note(who, `${what}: cut, ${message.slice(0, 100)}`);
          figures.add("calls_cut");
          await sleep(50);
          continue;
        }
        history.note(who, `${what}: ${status} ${reason} ${message.slice(0, 300)}`);
        if (!expected.includes(reason)) {
          throw new Error(`${who}: ${what}: ${status} ${reason}: ${message}`, { cause: error });
        }
        figures.add("refusals");
        return undefined;
      }
    }
  };
}
