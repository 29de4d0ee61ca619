import { type Attempt, failed } from "./attempt.ts";
import { attemptExec, type RunProbeCommand } from "./attempt-exec.ts";
import { attemptGrpc } from "./attempt-grpc.ts";
import { attemptHttp } from "./attempt-http.ts";
import { attemptTcp } from "./attempt-tcp.ts";
import type { ProbeHosts } from "./probe-hosts.ts";
import { loopbackPort, type ProbeTarget } from "./probe-target.ts";

/** What one instance is asked with. */
export interface ProbeTools {
  readonly hosts: ProbeHosts;
  readonly runCommand: RunProbeCommand;
  /** Whose listener is on this port? Asked only once something answered there. */
  readonly ownerOf: (port: number) => Promise<PortOwner>;
  /** Waits for a line of this instance's output. */
  readonly awaitLogLine: (
    pattern: string,
    timeoutMs: number,
    signal: AbortSignal,
  ) => Promise<Attempt>;
}

export type PortOwner =
  | { readonly kind: "own" }
  | { readonly kind: "foreign"; readonly pid?: number }
  /** This platform cannot tell. */
  | { readonly kind: "unknown" };

export const DEFAULT_ATTEMPT_MS = 5_000;

export interface AskOptions {
  /** Default 5 s. */
  readonly attemptMs?: number | undefined;
  /** Default OWN. */
  readonly listener?: "OWN" | "ANY" | undefined;
  /** Something has accepted on the target's port just now: a tcp probe asks no more. */
  readonly accepted?: boolean;
}

/** One full check, bounded, without waiting for anything to come up. */
export async function ask(
  target: ProbeTarget,
  tools: ProbeTools,
  options: AskOptions = {},
): Promise<Attempt> {
  const answer = await answerOf(target, tools, options);
  const port = loopbackPort(target);
  if (!answer.ok || port === undefined || options.listener === "ANY") return answer;
  const owner = await tools.ownerOf(port);
  return owner.kind === "foreign" ? foreignListener(port, owner.pid) : answer;
}

async function answerOf(
  target: ProbeTarget,
  tools: ProbeTools,
  { attemptMs = DEFAULT_ATTEMPT_MS, accepted = false }: AskOptions,
): Promise<Attempt> {
  switch (target.kind) {
    case "alive":
    // What it once wrote says nothing of how it is now.
    case "log":
      return { ok: true };
    case "tcp":
      return accepted ? { ok: true } : attemptTcp(target.port, attemptMs);
    case "http":
      return attemptHttp(target, tools.hosts, attemptMs);
    case "exec":
      return attemptExec(target.command, tools.runCommand, attemptMs);
    case "grpc":
      return attemptGrpc(target.port, target.service, attemptMs);
  }
}

function foreignListener(port: number, pid: number | undefined): Attempt {
  const who = pid === undefined ? "another process" : `pid ${pid}`;
  return {
    ...failed(
      "FOREIGN_LISTENER",
      `port ${port} is served by ${who}, which does not belong to this service: if that is meant (docker, another supervisor), set listener: ANY`,
    ),
    ...(pid === undefined ? {} : { ownerPid: pid }),
  };
}
