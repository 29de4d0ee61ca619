import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ReadLogsRequestSchema } from "../../gen/workspace/runtime/v1/log_pb.ts";
import { EnsureServicesRequestSchema } from "../../gen/workspace/runtime/v1/run_pb.ts";
import {
  ListServicesRequestSchema,
  StopServicesRequestSchema,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { RealizeWorkspaceRequestSchema } from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { isRuntimeError } from "../../src/errors.ts";
import { validateRequest } from "../../src/rpc/validate.ts";

/** "field: description" of each violation, in order. */
function violations(check: () => void): string[] {
  try {
    check();
  } catch (error) {
    if (!isRuntimeError(error, "INVALID_FIELD")) throw error;
    return error.violations.map(({ field, description }) => `${field}: ${description}`);
  }
  return [];
}

const ensure = (init: MessageInitShape<typeof EnsureServicesRequestSchema>) =>
  violations(() =>
    validateRequest(EnsureServicesRequestSchema, create(EnsureServicesRequestSchema, init), [
      "run_id",
      "workspace_id",
    ]),
  );
const realize = (init: MessageInitShape<typeof RealizeWorkspaceRequestSchema>) =>
  violations(() =>
    validateRequest(RealizeWorkspaceRequestSchema, create(RealizeWorkspaceRequestSchema, init)),
  );
const list = (init: MessageInitShape<typeof ListServicesRequestSchema>) =>
  violations(() =>
    validateRequest(ListServicesRequestSchema, create(ListServicesRequestSchema, init)),
  );

const rule = "must be 1 to 200 visible characters";

describe("ids", () => {
  it.each([
    "run-1",
    "018f4a2e-7b1c-7000-8000-000000000000",
    "x".repeat(200),
    "😀".repeat(200),
    "a/b:c@d",
    "名前",
  ])("may be %s", (id) => {
    expect(ensure({ runId: id, workspaceId: id })).toEqual([]);
  });

  it.each([" ", "a b", "a\n", "\u200b", "a\u0000", "x".repeat(201), "\ud800"])(
    "may not be %j",
    (id) => {
      expect(ensure({ runId: id, workspaceId: "w" })).toEqual([`run_id: ${rule}`]);
    },
  );

  it("may be absent where nothing requires them, but not empty where they are given", () => {
    expect(realize({})).toEqual([]);
    expect(list({ companyId: "", workspaceIds: ["w", ""] })).toEqual([`workspace_ids[1]: ${rule}`]);
    const target = { case: "serviceId" as const, value: "" };
    const stop = create(StopServicesRequestSchema, { target });
    expect(violations(() => validateRequest(StopServicesRequestSchema, stop, ["target"]))).toEqual([
      `service_id: ${rule}`,
    ]);
  });

  it("hold within what the request carries", () => {
    expect(
      realize({ issue: { issueId: "a b" }, agent: { agentId: "\t" }, actor: { userId: "a b" } }),
    ).toEqual([`issue.issue_id: ${rule}`, `agent.agent_id: ${rule}`, `actor.user_id: ${rule}`]);
  });
});

describe("a request", () => {
  it("names all its mistakes at once, each with the path of its field", () => {
    expect(
      ensure({
        workspaceId: "w",
        leaseTtl: { seconds: -1n },
        services: [
          {},
          {
            lifecycle: 9 as never,
            readiness: {
              check: { case: "http", value: { headers: { "x-\0": "" } } },
              timeout: { seconds: 0n, nanos: -5 },
            },
            extraPorts: { debug: { envKey: "A\0" } },
          },
        ],
      }),
    ).toEqual([
      'services[1].extra_ports["debug"].env_key: must not contain a NUL character',
      'services[1].readiness.http.headers["x-\\u0000"]: must not contain a NUL character',
      "services[1].readiness.timeout: must not be negative",
      "services[1].lifecycle: 9 is no value of Lifecycle",
      "lease_ttl: must not be negative",
      "run_id: is required",
    ]);
  });

  it("has a message that tells the first and how many more", () => {
    const request = create(EnsureServicesRequestSchema, {});
    expect(() =>
      validateRequest(EnsureServicesRequestSchema, request, ["run_id", "workspace_id"]),
    ).toThrow("run_id: is required (and 1 more)");
  });

  it("names a oneof that must be chosen", () => {
    const request = create(ReadLogsRequestSchema, {});
    expect(violations(() => validateRequest(ReadLogsRequestSchema, request, ["source"]))).toEqual([
      "source: is required",
    ]);
  });
});

describe("values", () => {
  it("page sizes are 0 to 500", () => {
    expect([list({ pageSize: 0 }), list({ pageSize: 500 })]).toEqual([[], []]);
    expect(list({ pageSize: 501 })).toEqual(["page_size: must be 0 to 500, not 501"]);
    expect(list({ pageSize: -1 })).toEqual(["page_size: must be 0 to 500, not -1"]);
  });

  it("enum values must be known, in lists too; UNSPECIFIED is", () => {
    expect(list({ states: [0, 1, 99 as never] })).toEqual([
      "states[2]: 99 is no value of ServiceState",
    ]);
  });

  it("labels are at most 64, each of at most 4 KiB", () => {
    const labels = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, "v"]));
    expect(realize({ labels: labels(64) })).toEqual([]);
    expect(realize({ labels: labels(65) })).toEqual(["labels: has 65 keys; at most 64 are kept"]);
    expect(realize({ labels: { a: "é".repeat(2048) } })).toEqual([]);
    expect(realize({ labels: { a: "é".repeat(2049) } })).toEqual([
      'labels["a"]: is longer than 4096 bytes',
    ]);
  });

  it("texts are Unicode without NUL", () => {
    expect(realize({ name: "a\0b", repoRef: "\ud800" })).toEqual([
      "name: must not contain a NUL character",
      "repo_ref: is not valid Unicode",
    ]);
  });

  it("spans and times are within what protobuf allows", () => {
    expect(ensure({ runId: "r", workspaceId: "w", leaseTtl: { seconds: 1n << 60n } })).toEqual([
      "lease_ttl: is out of range",
    ]);
    const sinceTime = { case: "sinceTime" as const, value: { seconds: 1n << 60n, nanos: 0 } };
    const read = create(ReadLogsRequestSchema, { start: sinceTime as never });
    expect(violations(() => validateRequest(ReadLogsRequestSchema, read))).toEqual([
      "since_time: is out of range",
    ]);
  });
});
