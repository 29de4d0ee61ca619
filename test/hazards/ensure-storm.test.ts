import { describe, expect, it, onTestFinished } from "vitest";
import {
  Lifecycle,
  ScopeType,
  type Service,
  ServiceState,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { fixture } from "../supervisor/support.ts";
import { servicesWithVariable, watchForDoubles } from "../support/processes.ts";
import { chosenSeed, createRandom, type Random } from "../support/random.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { realizePrimary, type SpecInit, shellService } from "../support/workspace.ts";

const ENSURES = 1_000;
const RUNS = 200;
const IDENTITIES = 50;
const RELEASES = 150;
const STOPS = 15;
/** Over which the calls are spread: long enough that ends and starts of one identity meet. */
const SPREAD_MS = 4_000;
/** Runs from this one on are not released before the end. */
const FIRST_KEEPER = 160;
/** Identities below this one are stopped by force now and then. */
const STOPPED_BELOW = 5;

type Kind = "listening" | "ephemeral" | "finishing" | "manual";

/** What an ensure may be told when others release its run or stop its service. */
const CROSSED = ["RUN_RELEASED", "SERVICE_STOPPED", "SERVICE_EXITED_EARLY"];

const seeds =
  process.env.TEST_FULL && process.env.SEED === undefined
    ? Array.from({ length: 20 }, chosenSeed)
    : [chosenSeed()];

describe.each(seeds)("a storm of ensures (seed %i)", (seed) => {
  const random = createRandom(seed);
  const variable = `STORM_${process.pid}_${seed}`;

  function kindOf(identity: number): Kind {
    if (identity % 17 === 0) return "listening";
    if (identity % 17 === 1) return "ephemeral";
    return identity % 2 === 0 ? "finishing" : "manual";
  }

  /** An ephemeral one is each run's own. */
  function markOf(identity: number, run: number): string {
    return kindOf(identity) === "ephemeral" ? `${identity}-of-${run}` : String(identity);
  }

  function specOf(identity: number, run: number): SpecInit {
    const name = `service-${identity}`;
    const env = { [variable]: markOf(identity, run) };
    const finishing: SpecInit["stopPolicy"] = { policy: { case: "onRunFinish", value: {} } };
    switch (kindOf(identity)) {
      case "listening":
        return shellService(name, `exec ${process.execPath} ${fixture("listen.mjs")} $PORT`, {
          env,
          port: { port: { case: "auto", value: {} } },
        });
      case "ephemeral":
        return shellService(name, "exec sleep 1000", { env, lifecycle: Lifecycle.EPHEMERAL });
      case "finishing":
        return shellService(name, "exec sleep 1000", { env, stopPolicy: finishing });
      case "manual":
        return shellService(name, "exec sleep 1000", {
          env,
          reuseScope: ScopeType.EXECUTION_WORKSPACE,
        });
    }
  }

  it("leaves exactly the processes that leases and policies call for, never two of one identity", async () => {
    console.info(`seed ${seed}: SEED=${seed} makes the same calls again`);
    const server = await startServer();
    onTestFinished(() => server.stop());
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());

    const watch = watchForDoubles(variable);
    onTestFinished(() => void watch.stop());
    const ensured = await storm(server, workspace.workspaceId, random);
    // The rest of the runs that are not to keep anything.
    await Promise.all(
      Array.from({ length: FIRST_KEEPER }, (_, run) =>
        server.client.releaseRun({ runId: `run-${run}` }),
      ),
    );
    expect(watch.stop()).toEqual([]);
    const rows = await liveServices(server);
    await checkLeases(server, ensured, rows);

    for (const row of rows) {
      expect(row.state, row.serviceName).toBe(ServiceState.RUNNING);
      const kind = kindOf(Number(row.serviceName.replace("service-", "")));
      // What ends with its last lease is there for a lease only.
      if (kind === "finishing" || kind === "ephemeral") {
        expect(row.leaseRunIds.length, row.serviceName).toBeGreaterThan(0);
      }
    }
    // What has no policy and was never stopped goes on, whoever released it.
    for (const { identity } of ensured) {
      const kind = kindOf(identity);
      if (identity < STOPPED_BELOW || kind === "finishing" || kind === "ephemeral") continue;
      expect(rows.map(({ serviceName }) => serviceName)).toContain(`service-${identity}`);
    }
    const living = servicesWithVariable(variable).map(({ pid }) => pid);
    expect(living.sort(ascending)).toEqual(
      rows.map(({ providerRef }) => Number(providerRef)).sort(ascending),
    );
  }, 480_000);

  interface Ensured {
    readonly identity: number;
    readonly run: number;
  }

  /** All the calls, each at its moment; what was ensured, in any order. */
  async function storm(
    { client }: TestServer,
    workspaceId: string,
    { below }: Random,
  ): Promise<readonly Ensured[]> {
    const ensured: Ensured[] = [];
    const at = (moment: number) => new Promise((resolve) => setTimeout(resolve, moment));
    const ensure = async (moment: number, run: number, identity: number) => {
      await at(moment);
      try {
        const spec = specOf(identity, run);
        await client.ensureServices({ runId: `run-${run}`, workspaceId, services: [spec] });
        ensured.push({ identity, run });
      } catch (error) {
        expect(CROSSED, String(error)).toContain(errorDetails(error)?.reason);
      }
    };
    const release = async (moment: number, run: number) => {
      await at(moment);
      await client.releaseRun({ runId: `run-${run}` });
    };
    const stop = async (moment: number, identity: number) => {
      await at(moment);
      const { services } = await client.listServices({
        serviceNames: [`service-${identity}`],
        pageSize: 1,
      });
      const target = { case: "serviceId" as const, value: services[0]?.serviceId ?? "" };
      if (target.value !== "") await client.stopServices({ target, force: true });
    };
    await Promise.all([
      ...repeat(ENSURES, () => ensure(below(SPREAD_MS), below(RUNS), below(IDENTITIES))),
      ...repeat(RELEASES, () => release(below(SPREAD_MS), below(FIRST_KEEPER))),
      ...repeat(STOPS, () => stop(below(SPREAD_MS), below(STOPPED_BELOW))),
    ]);
    return ensured;
  }

  /** Keepers hold what they ensured, but for what was stopped by force; nobody else holds anything. */
  async function checkLeases(
    { client }: TestServer,
    ensured: readonly Ensured[],
    rows: readonly Service[],
  ): Promise<void> {
    const held = new Set(
      rows.flatMap(({ serviceName, leaseRunIds }) =>
        leaseRunIds.map((runId) => `${runId} ${serviceName}`),
      ),
    );
    const kept = ensured.filter(({ run }) => run >= FIRST_KEEPER);
    expect(kept.length).toBeGreaterThan(0);
    for (const { identity, run } of kept) {
      if (identity >= STOPPED_BELOW) expect(held).toContain(`run-${run} service-${identity}`);
    }
    const allowed = new Set(kept.map(({ identity, run }) => `run-${run} service-${identity}`));
    expect([...held].filter((lease) => !allowed.has(lease))).toEqual([]);
    const runIds = Array.from({ length: FIRST_KEEPER }, (_, run) => `run-${run}`);
    const { leases } = await client.listLeases({ runIds });
    expect(leases).toEqual([]);
  }
});

async function liveServices({ client }: TestServer): Promise<readonly Service[]> {
  const live = [
    ServiceState.STARTING,
    ServiceState.RUNNING,
    ServiceState.STOPPING,
    ServiceState.BACKOFF,
  ];
  return (await client.listServices({ states: live, pageSize: 500 })).services;
}

function repeat<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}

function ascending(a: number, b: number): number {
  return a - b;
}
