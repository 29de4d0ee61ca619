import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  fixtureService,
  realizePrimary,
  type SpecInit,
  type TestWorkspace,
} from "../support/workspace.ts";

/** Of one test: eight suites may share two cores. */
const PATIENCE_MS = 120_000;

describe("hazard 5: a server that accepts and never answers", () => {
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

  type Check = NonNullable<SpecInit["readiness"]>["check"];

  it.each<[string, Check]>([
    ["http", { case: "http", value: { urlTemplate: "http://127.0.0.1:{{port}}/" } }],
    ["grpc", { case: "grpc", value: {} }],
  ])(
    "holds up neither an attempt nor the whole: %s",
    async (kind, check) => {
      const begun = Date.now();
      const error = await server.client
        .ensureServices({
          runId: "run",
          workspaceId: workspace.workspaceId,
          services: [
            fixtureService(`silent-${kind}`, "silent.mjs", {
              readiness: {
                check,
                timeout: { seconds: 10n, nanos: 0 },
                attemptTimeout: { seconds: 0n, nanos: 200_000_000 },
              } as never,
            }),
          ],
        })
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      // The old module hung for minutes; on a busy machine the stop takes its time, too.
      expect(Date.now() - begun).toBeLessThan(60_000);
      const details = errorDetails(error);
      expect(details?.reason).toBe("SERVICE_NOT_READY");
      const failure = details?.failures[0];
      expect(failure?.diagnosis).toMatchObject({
        reason: "PROBE_TIMEOUT",
        lastProbeError: expect.stringContaining("did not answer within"),
      });
      // It does listen: who looks for the reason is told where, and that it is the service itself.
      const { service } = await server.client.getService({ serviceId: failure?.serviceId ?? "" });
      expect(service).toMatchObject({ state: ServiceState.FAILED, providerRef: "" });
      expect(failure?.diagnosis?.listeningPorts).toEqual([service?.port]);
      expect(failure?.diagnosis?.portOwnerPid).toBeGreaterThan(1);
    },
    PATIENCE_MS,
  );
});
