export { type CallPolicy, defaultTimeoutsMs } from "./call-policy.ts";
export { checkHealth, type HealthState } from "./check-health.ts";
export { type ClientOptions, createClient } from "./client.ts";
export {
  ConfigFileError,
  type ConfigProblem,
  type ConvertedConfig,
  convertConfig,
} from "./config.ts";
export { type ErrorDetails, errorDetails } from "./error-details.ts";
export { followLogs } from "./follow-logs.ts";
export { importRequestFromLegacy, type LegacyOptions } from "./import-legacy.ts";
export {
  dataDirOf,
  type LocateOptions,
  locateToken,
  NoServerError,
  readServerRecord,
  type ServerRecord,
  tokenFileOf,
} from "./locate.ts";
export * from "./messages.ts";
export type { RuntimeClient, RuntimeMethods } from "./methods.ts";
export { type PrepareRunOptions, prepareRun } from "./prepare-run.ts";
export type { ResumeOptions } from "./resume.ts";
export { type RuntimeServiceRef, toRuntimeServiceRef } from "./service-ref.ts";
export {
  createLineSplitter,
  type LineSplitter,
  type LogLine,
  type SplitOptions,
  splitLines,
} from "./split-lines.ts";
export { createTransport, type RuntimeTransport, type TransportOptions } from "./transport.ts";
export { type StatusUpdate, watchStatus } from "./watch-status.ts";
