import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ErrorReason } from "../../gen/workspace/runtime/v1/error_reason_pb.ts";
import {
  HealthStatus,
  ServiceState,
  StateReason,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

describe("hazards 1 and 2: commands that do not come up", () => {
  let server: TestServer;
  let workspace: TestWorkspace;
  beforeAll(async () => {
    server = await startServer();
    workspace = await realizePrimary(server);
  });
  afterAll(async () => {
    await server.stop();
    workspace.remove();
  });

  async function failureOf(spec: SpecInit) {
    const error = await server.client
      .ensureServices({ runId: "run", workspaceId: workspace.workspaceId, services: [spec] })
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    expect(error).toBeDefined();
    const details = errorDetails(error);
    expect(details?.failures).toHaveLength(1);
    return { details, failure: details?.failures[0] };
  }

  it("tells an early exit within 100 ms, with its code and its last words", async () => {
    const before = Date.now();
    const { details, failure } = await failureOf(
      shellService("bad", "echo boom >&2; exit 3", {
        port: { port: { case: "auto", value: {} } },
        readiness: { timeout: { seconds: 60n } },
      }),
    );
    const answered = Date.now();
    expect(details?.reason).toBe("SERVICE_EXITED_EARLY");
    expect(failure?.reason).toBe(ErrorReason.SERVICE_EXITED_EARLY);
    expect(failure?.exit?.code).toBe(3);
    expect(failure?.diagnosis?.outputTail).toContain("boom");
    const exited = Number(failure?.exit?.exitTime?.seconds) * 1000;
    expect(exited).toBeGreaterThanOrEqual(Math.floor(before / 1000) * 1000);
    // Far from the minute of its readiness, on a busy machine too: the exact figure is measured in bench/.
    expect(answered - before).toBeLessThan(20_000);

    const { service } = await server.client.getService({ serviceId: failure?.serviceId ?? "" });
    expect(service).toMatchObject({
      state: ServiceState.FAILED,
      stateReason: StateReason.EXITED_EARLY,
      health: HealthStatus.UNHEALTHY,
      leaseRunIds: [],
    });
    expect(service?.diagnosis).toEqual(failure?.diagnosis);
    expect(service?.diagnosis).toMatchObject({ reason: "EXITED_EARLY" });
  });

  it.each([
    [
      "a missing cwd",
      shellService("lost", "true", { cwd: "no/such/directory" }),
      "no/such/directory",
    ],
    [
      "a program that is not there",
      {
        name: "none",
        process: { case: "argv", value: { args: ["/no/such/program"] } },
      } as SpecInit,
      "/no/such/program",
    ],
  ])("names the cause of %s, and the server lives on", async (_, spec, named) => {
    const { details, failure } = await failureOf(spec);
    expect(["SPAWN_FAILED", "SERVICE_EXITED_EARLY"]).toContain(details?.reason);
    expect(`${failure?.message} ${failure?.diagnosis?.outputTail}`).toContain(named);
    const { state } = (await server.client.getRuntimeInfo({})).reconcile ?? {};
    expect(state).toBe("done");
  });
});
