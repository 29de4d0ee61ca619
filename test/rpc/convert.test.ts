import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  RestartMode,
  ServiceSpecSchema,
  StopPolicySchema,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { GitWorktreeStrategySchema } from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import type { PortSpec, Probe, ProbeCheck, ServiceSpec } from "../../src/model/service-spec.ts";
import type { GitWorktreeStrategy } from "../../src/model/workspace.ts";
import { specFromMessage, specToMessage } from "../../src/rpc/convert/service-spec.ts";
import { stopPolicyFromMessage, stopPolicyToMessage } from "../../src/rpc/convert/stop-policy.ts";
import { durationFromMs, msFromDuration } from "../../src/rpc/convert/time.ts";
import { gitWorktreeFromMessage, gitWorktreeToMessage } from "../../src/rpc/convert/workspace.ts";

/** A record that may lack any of its properties, as the domain has them: absent, never undefined. */
function partial<T extends object>(
  shape: { [K in keyof T]-?: fc.Arbitrary<Exclude<T[K], undefined>> },
) {
  return fc.record(shape, {
    requiredKeys: [],
    noNullPrototype: true,
  }) as unknown as fc.Arbitrary<T>;
}

const text = fc.string({ minLength: 1, unit: "grapheme" });
const count = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const ms = fc.integer({ min: 0, max: 1e12 });
const map = <V>(value: fc.Arbitrary<V>) =>
  fc.dictionary(text, value, { minKeys: 1, noNullPrototype: true });
const list = <V>(value: fc.Arbitrary<V>) => fc.array(value, { minLength: 1 });

const check: fc.Arbitrary<ProbeCheck> = fc.oneof(
  partial<Omit<Extract<ProbeCheck, { kind: "http" }>, "kind">>({
    urlTemplate: text,
    expectedStatuses: list(count),
    headers: map(text),
    expectJson: map(text),
  }).map((http) => ({ kind: "http" as const, ...http })),
  partial<{ port?: number }>({ port: count }).map((tcp) => ({ kind: "tcp" as const, ...tcp })),
  text.map((command) => ({ kind: "exec" as const, command })),
  text.map((pattern) => ({ kind: "log" as const, pattern })),
  partial<{ service?: string }>({ service: text }).map((grpc) => ({
    kind: "grpc" as const,
    ...grpc,
  })),
);
const probe = partial<Probe>({
  check,
  timeoutMs: ms,
  intervalMs: ms,
  attemptTimeoutMs: ms,
  failureThreshold: fc.integer({ min: -5, max: 5 }),
  listener: fc.constantFrom("OWN", "ANY"),
});
const port: fc.Arbitrary<PortSpec> = fc
  .tuple(
    fc.oneof(fc.constant("auto" as const), fc.integer({ min: -70_000, max: 70_000 })),
    fc.option(text, { nil: undefined }),
  )
  .map(([value, envKey]) => ({ port: value, ...(envKey === undefined ? {} : { envKey }) }));
const spec = partial<ServiceSpec>({
  name: text,
  process: fc.oneof(
    text.map((command) => ({ kind: "command" as const, command })),
    fc.array(text).map((args) => ({ kind: "argv" as const, args })),
  ),
  cwd: text,
  env: map(text),
  port,
  extraPorts: map(port),
  expose: text.map((urlTemplate) => ({ urlTemplate })),
  readiness: probe,
  liveness: probe,
  lifecycle: fc.constantFrom("SHARED", "EPHEMERAL"),
  reuseScope: fc.constantFrom("PROJECT_WORKSPACE", "EXECUTION_WORKSPACE", "RUN", "AGENT"),
  stopPolicy: fc.oneof(
    fc.constant({ kind: "manual" as const }),
    fc.constant({ kind: "on_run_finish" as const }),
    partial<{ idleMs?: number }>({ idleMs: ms }).map((idle) => ({
      kind: "idle_timeout" as const,
      ...idle,
    })),
  ),
  stop: partial<NonNullable<ServiceSpec["stop"]>>({ signal: text, graceMs: ms }),
  restart: fc
    .tuple(
      fc.constantFrom("NEVER" as const, "ON_FAILURE" as const, "ALWAYS" as const),
      partial<Omit<NonNullable<ServiceSpec["restart"]>, "mode">>({
        maxRestarts: fc.nat(),
        initialBackoffMs: ms,
        maxBackoffMs: ms,
        resetAfterMs: ms,
      }),
    )
    .map(([mode, rest]) => ({ mode, ...rest })),
  dependsOn: list(
    fc.record(
      { name: text, condition: fc.constantFrom("READY" as const, "STARTED" as const) },
      { noNullPrototype: true },
    ),
  ),
  allowFailure: fc.constant(true),
  repairWorkspaceLinks: fc.constant(true),
  logs: partial<{ maxBytes?: number }>({ maxBytes: count }),
  stdin: fc.constantFrom("OPEN", "NULL"),
  limits: partial<NonNullable<ServiceSpec["limits"]>>({
    memoryBytes: count,
    cpuMillis: count,
    pids: count,
  }),
  adapterEnvMode: fc.constantFrom("ALL", "NONE", "LISTED"),
  adapterEnvKeys: list(text),
});

const strategy = partial<GitWorktreeStrategy>({
  branchTemplate: text,
  worktreeParentDir: text,
  baseRef: text,
  fetchBase: fc.constant(true),
  provisionCommand: text,
  provisionPolicy: fc.constantFrom("ALWAYS", "ON_CREATE", "ON_INPUT_CHANGE"),
  provisionInputs: list(text),
  provisionTimeoutMs: ms,
  cleanupCommand: text,
  teardownCommand: text,
  copyFiles: list(text),
});

describe("the way to the wire and back", () => {
  it("leaves a spec as it was, whatever of it is absent", () => {
    fc.assert(
      fc.property(spec, (asked) => {
        const bytes = toBinary(ServiceSpecSchema, specToMessage(asked));
        expect(specFromMessage(fromBinary(ServiceSpecSchema, bytes))).toEqual(asked);
      }),
    );
  });

  it("leaves a worktree strategy as it was", () => {
    fc.assert(
      fc.property(strategy, (asked) => {
        const bytes = toBinary(GitWorktreeStrategySchema, gitWorktreeToMessage(asked));
        expect(gitWorktreeFromMessage(fromBinary(GitWorktreeStrategySchema, bytes))).toEqual(asked);
      }),
    );
  });

  it("keeps spans to the millisecond and rounds shorter ones up, never to nothing", () => {
    fc.assert(
      fc.property(ms, (span) => {
        expect(msFromDuration(durationFromMs(span))).toBe(span);
      }),
    );
    expect(msFromDuration({ ...durationFromMs(0), nanos: 1 })).toBe(1);
  });
});

describe("what the wire leaves out", () => {
  it("is absent in the domain: no defaults are invented here", () => {
    expect(specFromMessage(create(ServiceSpecSchema))).toEqual({});
    expect(gitWorktreeFromMessage(create(GitWorktreeStrategySchema))).toEqual({});
    expect(stopPolicyFromMessage(create(StopPolicySchema))).toBeUndefined();
    expect(stopPolicyFromMessage(stopPolicyToMessage({ kind: "idle_timeout" }))).toEqual({
      kind: "idle_timeout",
    });
  });

  it("differs from a zero where zero means something", () => {
    const zeros = create(ServiceSpecSchema, {
      stop: { gracePeriod: {} },
      restart: { mode: RestartMode.UNSPECIFIED, maxRestarts: 0 },
      port: { port: { case: "value", value: 0 } },
      extraPorts: { debug: {} },
    });
    expect(specFromMessage(zeros)).toEqual({
      stop: { graceMs: 0 },
      restart: { mode: "NEVER", maxRestarts: 0 },
      port: { port: 0 },
      extraPorts: { debug: { port: "auto" } },
    });
  });
});
