import { createContext, Script } from "node:vm";

/** A regular expression of a stranger, kept from holding up the server. */
export interface LinePattern {
  /** Does one of the lines match? Undefined: the expression took too long to tell. */
  matchesAny(lines: readonly string[]): boolean | undefined;
}

/**
 * `(a+)+$` on thirty letters takes V8 for ever, and nothing else of this process runs meanwhile. A script of
 * node:vm has a watchdog thread, which does interrupt V8's regular expressions (measured: 51 ms for 50).
 */
const LIMIT_MS = 50;

const MATCH = new Script("lines.some((line) => expression.test(line))");

/**
 * One for all: nothing of a stranger runs in it but the matching itself, and V8 keeps a context and all its built-in
 * objects for long after the last use (measured: 500 KB a start that waited for a line).
 */
const CONTEXT = createContext({ expression: /$/, lines: [] as readonly string[] });

/** @throws SyntaxError for what is no regular expression */
export function createLinePattern(pattern: string): LinePattern {
  const expression = new RegExp(pattern);
  return {
    matchesAny(lines) {
      CONTEXT.expression = expression;
      CONTEXT.lines = lines;
      try {
        return MATCH.runInContext(CONTEXT, { timeout: LIMIT_MS }) as boolean;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") {
          return undefined;
        }
        throw error;
      } finally {
        CONTEXT.lines = [];
      }
    },
  };
}
