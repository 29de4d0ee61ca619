import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  Lifecycle,
  type Service,
  ServiceState,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { servicesWithVariable, watchForDoubles } from "../support/processes.ts";
import { chosenSeed, createRandom, type Random } from "../support/random.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

const ROUNDS = process.env.TEST_FULL ? 60 : 5;
const LATEST_MS = 120;
const VARIABLE = `CROSSING_TEST_${process.pid}`;

/** Each as stubborn as a crossing of calls may find it. */
const COMMANDS = {
  plain: "exec sleep 1000",
  slow: "trap 'sleep 0.1; exit 0' TERM; while :; do sleep 0.02; done",
  deaf: "trap '' TERM; while :; do sleep 0.05; done",
  parent: "sleep 1000 & sleep 1000",
  late: "sleep 0.2; exec sleep 1000",
} as const;
type Name = keyof typeof COMMANDS;

/** What a call that another one crossed may be told; all else is a failure of the test. */
const CROSSED = ["SERVICE_STOPPED", "SERVICE_LEASED", "RUN_RELEASED", "SERVICE_EXITED_EARLY"];

describe("hazard 23: stops and starts that cross each other", () => {
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

  it("stops one whose row is still being written, and its caller is told", async () => {
    const slow = await startServer({
      env: { WORKSPACE_RUNTIME_FAILPOINTS: "lease.intended=delay(500)" },
    });
    const { workspaceId, remove } = await realizePrimary(slow);
    onTestFinished(async () => {
      await slow.stop();
      remove();
    });
    const { client } = slow;
    const ofTheRun = { ...specOf("plain"), lifecycle: Lifecycle.EPHEMERAL };
    const ensuring = client
      .ensureServices({ runId: "run", workspaceId, services: [ofTheRun] })
      .then(
        () => undefined,
        (reason: unknown) => errorDetails(reason)?.reason,
      );
    await eventually(
      async () => (await client.getRuntimeInfo({})).counts?.live_services === 1n && true,
    );
    const target = { case: "workspaceId", value: workspaceId } as const;
    await client.stopServices({ target, force: true });
    expect(await ensuring).toBe("SERVICE_STOPPED");
    const { services } = await client.listServices({ workspaceIds: [workspaceId] });
    expect(services.map(({ state }) => state)).toEqual([ServiceState.STOPPED]);
    expect((await client.getRuntimeInfo({})).counts?.live_services).toBe(0n);
  });

  const specOf = (name: Name): SpecInit =>
    shellService(name, COMMANDS[name], {
      env: { [VARIABLE]: name },
      stop: { gracePeriod: { nanos: 200_000_000 } },
    });
  const rowsOf = async (name: string) =>
    (await server.client.listServices({ serviceNames: [name], pageSize: 500 })).services;
  const liveOf = async (name: string) =>
    (await rowsOf(name)).filter(
      ({ state }) => state !== ServiceState.STOPPED && state !== ServiceState.FAILED,
    );

  function call(name: Name, random: Random): Promise<unknown> {
    const { client } = server;
    const { workspaceId } = workspace;
    const runId = `run-${random.below(3)}`;
    const newest = async (act: (service: Service) => Promise<unknown>) => {
      const [service] = await rowsOf(name);
      if (service !== undefined) await act(service);
    };
    const kinds = [
      () => client.ensureServices({ runId, workspaceId, services: [specOf(name)] }),
      () =>
        client.startServices({
          target: { case: "workspaceId", value: workspaceId },
          services: [specOf(name)],
        }),
      () =>
        newest(({ serviceId }) =>
          client.stopServices({ target: { case: "serviceId", value: serviceId }, force: true }),
        ),
      () =>
        newest(({ serviceId }) =>
          client.stopServices({
            target: { case: "serviceId", value: serviceId },
            force: true,
            gracePeriod: {},
          }),
        ),
      () =>
        newest(({ serviceId }) =>
          client.restartServices({ target: { case: "serviceId", value: serviceId }, force: true }),
        ),
      () => client.releaseRun({ runId }),
    ];
    return random.pick(kinds)();
  }

  async function crossCalls(name: Name, random: Random): Promise<void> {
    const label = `seed ${random.seed}, ${name}`;
    const calls = Array.from({ length: 2 + random.below(5) }, async () => {
      await new Promise((resolve) => setTimeout(resolve, random.below(LATEST_MS)));
      await call(name, random).catch((error: unknown) => {
        expect(CROSSED, `${label}: ${error}`).toContain(errorDetails(error)?.reason);
      });
    });
    await Promise.all(calls);

    // Everybody has an answer, and a start whose caller was released has gone on: what the rows say is what lives.
    const live = await eventually(async () => {
      const rows = await liveOf(name);
      return rows.every(({ state }) => state === ServiceState.RUNNING) && rows;
    });
    expect(live.length, label).toBeLessThanOrEqual(1);
    expect(
      servicesWithVariable(VARIABLE, name).map(({ pid }) => pid),
      label,
    ).toEqual(live.map(({ providerRef }) => Number(providerRef)));
  }

  it(
    `come into one order with one outcome, and never is there a second process (${ROUNDS} rounds)`,
    async () => {
      const random = createRandom(chosenSeed());
      const names = Object.keys(COMMANDS) as Name[];
      const watch = watchForDoubles(VARIABLE);
      onTestFinished(() => void watch.stop());
      for (let round = 0; round < ROUNDS; round += 1) {
        await Promise.all(names.map((name) => crossCalls(name, random)));
      }
      expect(watch.stop(), `seed ${random.seed}`).toEqual([]);

      // And after all of it each can be started, and ended, as if nothing had been.
      await server.client.ensureServices({
        runId: "last",
        workspaceId: workspace.workspaceId,
        services: names.map(specOf),
      });
      for (const name of names) {
        const [service, ...more] = await liveOf(name);
        expect([service?.state, more.length]).toEqual([ServiceState.RUNNING, 0]);
        await server.client.stopServices({
          target: { case: "serviceId", value: service?.serviceId ?? "" },
          force: true,
        });
        expect(servicesWithVariable(VARIABLE, name)).toEqual([]);
      }
    },
    ROUNDS * 60_000,
  );
});
