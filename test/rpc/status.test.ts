import { describe, expect, it } from "vitest";
import { ErrorReasonSchema } from "../../gen/workspace/runtime/v1/error_reason_pb.ts";
import { type ErrorReason, RuntimeError } from "../../src/errors.ts";
import { errorTable, StatusCode } from "../../src/rpc/error-table.ts";
import { encodeStatus, statusOf } from "../../src/rpc/status.ts";
import { callEnded } from "../../src/rpc/status-error.ts";

describe("the error table", () => {
  it("has every reason of the contract and no other", () => {
    const reasons = ErrorReasonSchema.values
      .map((value) => value.name.replace("ERROR_REASON_", ""))
      .filter((name) => name !== "UNSPECIFIED");
    expect(Object.keys(errorTable).sort()).toEqual(reasons.sort());
  });

  it("says when to come back exactly where coming back helps", () => {
    const retried = Object.entries(errorTable)
      .filter(([, { retryAfterMs }]) => retryAfterMs !== undefined)
      .map(([reason]) => reason);
    const expected = Object.entries(errorTable)
      .filter(
        ([reason, { code }]) =>
          code === "UNAVAILABLE" || code === "RESOURCE_EXHAUSTED" || reason === "STALE_REVISION",
      )
      .map(([reason]) => reason);
    expect(retried).toEqual(expected);
  });

  it("gives each reason the code that the contract's comment names", () => {
    for (const [reason, { code }] of Object.entries(errorTable)) {
      const status = statusOf(new RuntimeError(reason as ErrorReason, "words"));
      expect(status.code).toBe(StatusCode[code]);
    }
  });
});

describe("a status", () => {
  it("of the caller's own doing has a code alone", () => {
    expect(statusOf(callEnded("CANCELLED"))).toMatchObject({ code: 1, details: [] });
    expect(statusOf(callEnded("DEADLINE_EXCEEDED"))).toMatchObject({ code: 4, details: [] });
  });

  it.each([new TypeError("x"), "text", undefined, null, { reason: "INVALID_FIELD" }])(
    "of anything that is no error of the domain is INTERNAL (%o)",
    (error) => {
      expect(statusOf(error)).toMatchObject({ code: 13, message: "internal error" });
    },
  );

  it("hides the words of a defect that the domain itself reports", () => {
    expect(statusOf(new RuntimeError("INTERNAL", "secret")).message).toBe("internal error");
  });

  it("stays small, whatever is in it", () => {
    const text = "é".repeat(100_000);
    const status = statusOf(
      new RuntimeError("SERVICE_NOT_READY", text, {
        metadata: { path: text },
        violations: Array.from({ length: 500 }, () => ({ field: text, description: text })),
        failures: Array.from({ length: 3 }, () => ({
          serviceName: "web",
          reason: "SERVICE_NOT_READY" as const,
          message: text,
          diagnosis: { reason: "X", lastProbeError: text, outputTail: text },
        })),
      }),
    );
    // What a proxy or a stack with the largest usual limit, 64 KiB, still takes.
    expect(encodeStatus(status).length).toBeLessThan(48_000);
  });
});
