import { destination, type Logger, pino } from "pino";

export type { Logger } from "pino";

/** Structured lines on standard error: standard output belongs to the ready line. */
export function createLogger(level: string): Logger {
  return pino({ level, base: null }, destination({ fd: 2, sync: true }));
}
