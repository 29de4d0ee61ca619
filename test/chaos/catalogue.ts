import { fileURLToPath } from "node:url";
import { RestartMode, ScopeType } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { type SpecInit, shellService } from "../support/workspace.ts";

export const WRITER = fileURLToPath(new URL("programs/writer.sh", import.meta.url));
export const ANSWER = fileURLToPath(new URL("programs/answer.mjs", import.meta.url));

/** Services of every character. The name of each says its kind: `<kind>` or `<kind>-<anything>`. */
export const KINDS = [
  "ticker",
  "stubborn",
  "forker",
  "crasher",
  "short",
  "idle",
  "run",
  "once",
  "web",
] as const;

export type Kind = (typeof KINDS)[number] | "failing";

export function kindOf(name: string): string {
  return name.split("-")[0] ?? "";
}

export function specOf(kind: Kind): SpecInit {
  const writer = (more: SpecInit = {}) =>
    shellService(kind, `exec sh '${WRITER}' ${kind} ${kind}`, {
      stop: { gracePeriod: milliseconds(400) },
      reuseScope: ScopeType.EXECUTION_WORKSPACE,
      readiness: { check: { case: "log", value: { pattern: "^begin" } } },
      ...more,
    });
  switch (kind) {
    case "ticker":
      return writer({ reuseScope: ScopeType.PROJECT_WORKSPACE });
    case "crasher":
      return writer({
        restart: {
          mode: RestartMode.ON_FAILURE,
          maxRestarts: 100_000,
          initialBackoff: milliseconds(100),
          maxBackoff: milliseconds(800),
          resetAfter: milliseconds(1_000),
        },
      });
    case "idle":
      return writer({
        reuseScope: ScopeType.PROJECT_WORKSPACE,
        stopPolicy: {
          policy: { case: "idleTimeout", value: { idle: { seconds: 3n, nanos: 0 } } },
        },
      });
    case "run":
      return writer({ stopPolicy: { policy: { case: "onRunFinish", value: {} } } });
    case "once":
      return writer({ lifecycle: 2, reuseScope: ScopeType.RUN });
    case "failing":
      return writer({ allowFailure: true });
    case "web":
      return answering("web", { stopPolicy: { policy: { case: "onRunFinish", value: {} } } });
    default:
      return writer();
  }
}

/** Answers on a port with its pid. */
export function answering(name: string, more: SpecInit = {}): SpecInit {
  return shellService(name, `exec '${process.execPath}' '${ANSWER}' ${name}`, {
    port: { port: { case: "auto", value: {} } },
    reuseScope: ScopeType.EXECUTION_WORKSPACE,
    stop: { gracePeriod: milliseconds(400) },
    ...more,
  });
}

function milliseconds(ms: number) {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
}
