import { describe, expect, it } from "vitest";
import type { Probe, ServiceSpec } from "../../src/model/service-spec.ts";
import { probeMistakes } from "../../src/services/validate-probe.ts";

const WITH_PORT: ServiceSpec = { port: { port: "auto" } };

function mistakes(readiness: Probe, spec: ServiceSpec = WITH_PORT): string[] {
  return probeMistakes({ ...spec, readiness }).map(({ field }) => field);
}

describe("the mistakes in a probe", () => {
  it.each<[string, Probe, string]>([
    ["a pattern that is none", { check: { kind: "log", pattern: "(" } }, "readiness.log.pattern"],
    ["an empty pattern", { check: { kind: "log", pattern: "" } }, "readiness.log.pattern"],
    [
      "a pattern without end",
      { check: { kind: "log", pattern: "x".repeat(1_001) } },
      "readiness.log.pattern",
    ],
    ["an empty command", { check: { kind: "exec", command: " " } }, "readiness.exec.command"],
    ["a NUL in a command", { check: { kind: "exec", command: "a\0" } }, "readiness.exec.command"],
    ["no port", { check: { kind: "tcp", port: 65_536 } }, "readiness.tcp.port"],
    [
      "no status",
      { check: { kind: "http", expectedStatuses: [200, 99] } },
      "readiness.http.expected_statuses[1]",
    ],
    [
      "no header's name",
      { check: { kind: "http", headers: { "a b": "c" } } },
      'readiness.http.headers["a b"]',
    ],
    [
      "a header that frames the message",
      { check: { kind: "http", headers: { "Content-Length": "5" } } },
      'readiness.http.headers["Content-Length"]',
    ],
    [
      "an empty path",
      { check: { kind: "http", expectJson: { "": "x" } } },
      'readiness.http.expect_json[""]',
    ],
    ["a threshold of 0", { failureThreshold: 0 }, "readiness.failure_threshold"],
  ])("are told with their path: %s", (_, probe, field) => {
    expect(mistakes(probe)).toEqual([field]);
  });

  it.each<[string, Probe, string]>([
    ["tcp", { check: { kind: "tcp" } }, "readiness.tcp.port"],
    ["grpc", { check: { kind: "grpc" } }, "readiness.grpc"],
    ["http", { check: { kind: "http" } }, "readiness.http.url_template"],
  ])("include that there is nothing to ask by %s without a port", (_, probe, field) => {
    expect(mistakes(probe, {})).toEqual([field]);
    expect(mistakes(probe)).toEqual([]);
  });

  it("include a liveness probe that reads the log", () => {
    const liveness: Probe = { check: { kind: "log", pattern: "ready" } };
    expect(probeMistakes({ ...WITH_PORT, liveness })).toEqual([
      { field: "liveness.log", description: expect.stringContaining("for readiness only") },
    ]);
  });
});
