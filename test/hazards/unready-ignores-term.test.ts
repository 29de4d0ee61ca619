import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ServiceState, StateReason } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  fixtureService,
  isAlive,
  realizePrimary,
  type TestWorkspace,
} from "../support/workspace.ts";

/** Of one test: eight suites may share two cores. */
const PATIENCE_MS = 120_000;

describe("hazard 6: a service that is not ready in time and ignores TERM", () => {
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

  it(
    "is gone with its children when the error is told on its row, and the error says what was seen",
    async () => {
      const error = await server.client
        .ensureServices({
          runId: "run",
          workspaceId: workspace.workspaceId,
          services: [
            fixtureService("deaf", "deaf.mjs", {
              // Long enough for a busy machine to let it say its pids.
              readiness: { timeout: { seconds: 10n, nanos: 0 } } as never,
              stop: { gracePeriod: { seconds: 0n, nanos: 300_000_000 } } as never,
            }),
          ],
        })
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      const details = errorDetails(error);
      expect(details?.reason).toBe("SERVICE_NOT_READY");
      const failure = details?.failures[0];
      expect(failure?.diagnosis).toMatchObject({
        reason: "PORT_CLOSED",
        lastProbeError: expect.stringContaining("ECONNREFUSED"),
      });
      const { service } = await server.client.getService({ serviceId: failure?.serviceId ?? "" });
      expect(service).toMatchObject({
        state: ServiceState.FAILED,
        stateReason: StateReason.NOT_READY,
        providerRef: "",
        leaseRunIds: [],
        diagnosis: failure?.diagnosis,
      });
      const pids = /pids (\d+) (\d+)/.exec(failure?.diagnosis?.outputTail ?? "")?.slice(1) ?? [];
      expect(pids).toHaveLength(2);
      expect(pids.filter((pid) => isAlive(Number(pid)))).toEqual([]);
    },
    PATIENCE_MS,
  );
});
