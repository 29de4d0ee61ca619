import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Lifecycle, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { processesWithVariable } from "../support/processes.ts";
import { chosenSeed, createRandom } from "../support/random.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

const RUNS = process.env.TEST_FULL ? 1_000 : 120;
/** Longer than a start takes on a quiet machine, so that releases come before, in and after it. */
const LATEST_RELEASE_MS = 400;
const AT_ONCE = 15;

describe("hazard 12a: a run is released while its ensure is in flight", () => {
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

  const MARK = "RELEASED_TEST";
  const specs = (runId: string, kind: number): readonly SpecInit[] => {
    const own = { env: { [MARK]: `${process.pid}-${runId}` } };
    const ephemeral = { lifecycle: Lifecycle.EPHEMERAL };
    const finishing: SpecInit = { stopPolicy: { policy: { case: "onRunFinish", value: {} } } };
    const late = shellService("late", "exec sleep 1000", {
      ...ephemeral,
      port: { port: { case: "auto", value: {} } },
      ...own,
    });
    const kinds: readonly (readonly SpecInit[])[] = [
      [shellService("own", "exec sleep 1000", { ...ephemeral, ...own })],
      [shellService(`of-${runId}`, "exec sleep 1000", { ...finishing, ...own })],
      // Never ready: only the release ends the wait.
      [late],
      // One that all runs share, and two of the run's own.
      [
        shellService("shared", "exec sleep 1000"),
        shellService("a", "exec sleep 1000", { ...ephemeral, ...own }),
        shellService("b", "exec sleep 1000", { ...ephemeral, ...own }),
      ],
    ];
    return kinds[kind % kinds.length] ?? [];
  };

  it(
    `leaves neither a lease nor a process of the run's own, whenever it comes (${RUNS} runs)`,
    async () => {
      const random = createRandom(chosenSeed());
      const outcomes = { released: 0, ensured: 0 };
      const one = async (number: number) => {
        const runId = `run-${number}`;
        const ensuring = server.client
          .ensureServices({
            runId,
            workspaceId: workspace.workspaceId,
            services: [...specs(runId, number)],
          })
          .then(
            () => "ensured" as const,
            (error: unknown) => {
              expect(errorDetails(error)?.reason, `seed ${random.seed}`).toBe("RUN_RELEASED");
              return "released" as const;
            },
          );
        await new Promise((resolve) => setTimeout(resolve, random.below(LATEST_RELEASE_MS)));
        await server.client.releaseRun({ runId });
        outcomes[await ensuring] += 1;
        const { leases } = await server.client.listLeases({ runIds: [runId] });
        expect(leases, `seed ${random.seed}, ${runId}`).toEqual([]);
      };
      for (let first = 0; first < RUNS; first += AT_ONCE) {
        await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => one(first + index)));
      }
      expect(outcomes.released, `seed ${random.seed}`).toBeGreaterThan(0);

      const { services } = await server.client.listServices({ pageSize: 500, current: true });
      expect(services.filter(({ leaseRunIds }) => leaseRunIds.length > 0)).toEqual([]);
      const living = services.filter(({ state }) => state === ServiceState.RUNNING);
      expect(living.map(({ serviceName }) => serviceName)).toEqual(["shared"]);
      const left = Array.from({ length: RUNS }, (_, number) => number).flatMap((number) =>
        processesWithVariable(MARK, `${process.pid}-run-${number}`),
      );
      expect(left, `seed ${random.seed}`).toEqual([]);
    },
    RUNS * 2_000,
  );
});
