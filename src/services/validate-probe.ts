import { validateHeaderName } from "node:http";
import type { FieldViolation } from "../errors.ts";
import type { Probe, ProbeCheck, ServiceSpec } from "../model/service-spec.ts";

/** What is wrong with a spec's probes whatever they are rendered to; fields are relative to the spec. */
export function probeMistakes(spec: ServiceSpec): FieldViolation[] {
  return (["readiness", "liveness"] as const).flatMap((field) => {
    const probe = spec[field];
    return probe === undefined ? [] : mistakesOf(probe, field, spec);
  });
}

function mistakesOf(
  probe: Probe,
  path: "readiness" | "liveness",
  spec: ServiceSpec,
): FieldViolation[] {
  const found: FieldViolation[] = [];
  const refuse = (field: string, description: string) =>
    found.push({ field: `${path}.${field}`, description });
  const { check, failureThreshold } = probe;
  if (check !== undefined) {
    for (const [field, description] of checkMistakes(check, spec)) refuse(field, description);
  }
  if (path === "liveness" && check?.kind === "log") {
    refuse("log", "a line that was once written says nothing of how it is now: for readiness only");
  }
  if (failureThreshold !== undefined && failureThreshold < 1) {
    refuse("failure_threshold", "must be at least 1");
  }
  return found;
}

function checkMistakes(check: ProbeCheck, spec: ServiceSpec): [field: string, what: string][] {
  switch (check.kind) {
    case "http":
      return httpMistakes(check, spec);
    case "tcp":
      if (check.port === undefined) return noPort("tcp.port", spec);
      return check.port < 1 || check.port > 65535 ? [["tcp.port", `${check.port} is no port`]] : [];
    case "grpc":
      return noPort("grpc", spec);
    case "exec":
      if (check.command.trim() === "") return [["exec.command", "must not be empty"]];
      return check.command.includes("\0")
        ? [["exec.command", "must not hold a NUL character"]]
        : [];
    case "log":
      return patternMistakes(check.pattern);
  }
}

function httpMistakes(
  check: Extract<ProbeCheck, { kind: "http" }>,
  spec: ServiceSpec,
): [string, string][] {
  const found: [string, string][] = [];
  for (const [index, status] of (check.expectedStatuses ?? []).entries()) {
    if (status < 100 || status > 599) {
      found.push([`http.expected_statuses[${index}]`, `${status} is no HTTP status`]);
    }
  }
  for (const name of Object.keys(check.headers ?? {})) {
    const why = headerMistake(name);
    if (why !== undefined) found.push([`http.headers["${name}"]`, why]);
  }
  if (Object.hasOwn(check.expectJson ?? {}, "")) {
    found.push(['http.expect_json[""]', "must be a path into the body, such as checks.0.status"]);
  }
  if (!check.urlTemplate && !spec.expose?.urlTemplate && spec.port === undefined) {
    const what = "there is nothing to ask: give a URL here, or the service a port";
    found.push(["http.url_template", what]);
  }
  return found;
}

/** They say how a message is framed: that is the probe's own affair. */
const FRAMING = ["connection", "content-length", "expect", "transfer-encoding", "upgrade"];

function headerMistake(name: string): string | undefined {
  if (FRAMING.includes(name.toLowerCase())) return "is set by the probe itself: leave it out";
  try {
    validateHeaderName(name);
    return undefined;
  } catch {
    return "is no header's name";
  }
}

const LONGEST_PATTERN = 1_000;

function patternMistakes(pattern: string): [string, string][] {
  if (pattern === "") return [["log.pattern", "must not be empty: every line would match"]];
  if (pattern.length > LONGEST_PATTERN) {
    return [["log.pattern", `must have at most ${LONGEST_PATTERN} characters`]];
  }
  try {
    new RegExp(pattern);
    return [];
  } catch (error) {
    return [["log.pattern", `is no regular expression: ${(error as Error).message}`]];
  }
}

function noPort(field: string, spec: ServiceSpec): [string, string][] {
  return spec.port === undefined ? [[field, "the service has no port: give it one"]] : [];
}
