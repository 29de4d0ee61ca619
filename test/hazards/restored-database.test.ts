import { spawn } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  type Service,
  ServiceState,
  StateReason,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive, realizePrimary, shellService } from "../support/workspace.ts";

const OVER = [ServiceState.STOPPED, ServiceState.FAILED];

describe("hazard 17: a database that does not know what lives", { timeout: 120_000 }, () => {
  /** Servers one after another on one data directory, and the processes that the test has to end itself. */
  function house() {
    const directory = mkdtempSync(join(tmpdir(), "wsrt-restored-"));
    const dataDir = join(directory, "data");
    const backup = join(directory, "backup");
    const pids: number[] = [];
    let server: TestServer | undefined;
    const databaseFiles = (from: string) =>
      readdirSync(from).filter((name) => name.startsWith("store.db"));
    const dropDatabase = () => {
      for (const name of databaseFiles(dataDir)) rmSync(join(dataDir, name));
    };
    onTestFinished(async () => {
      await server?.stop();
      for (const pid of pids.filter(isAlive)) process.kill(pid, "SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    });
    return {
      dropDatabase,
      async start() {
        server = await startServer({ dataDir });
        return server;
      },
      async realize(on: TestServer) {
        const workspace = await realizePrimary(on);
        onTestFinished(() => workspace.remove());
        return async (name: string): Promise<Service> => {
          const { services } = await on.client.ensureServices({
            runId: `run-${name}`,
            workspaceId: workspace.workspaceId,
            services: [shellService(name, "exec sleep 1000")],
          });
          if (services[0] === undefined) throw new Error("not started");
          pids.push(Number(services[0].providerRef));
          return services[0];
        };
      },
      backUp() {
        mkdirSync(backup);
        for (const name of databaseFiles(dataDir))
          copyFileSync(join(dataDir, name), join(backup, name));
      },
      restore() {
        dropDatabase();
        for (const name of databaseFiles(backup))
          copyFileSync(join(backup, name), join(dataDir, name));
      },
      directoryOf: ({ serviceId }: Service) => join(dataDir, "services", serviceId),
    };
  }

  const stop = (server: TestServer, { serviceId }: Service) =>
    server.client.stopServices({
      target: { case: "serviceId", value: serviceId },
      force: true,
      gracePeriod: {},
    });

  it("signals nothing of what an emptied one forgot", async () => {
    const { start, realize, dropDatabase } = house();
    const first = await start();
    const forgotten = await (await realize(first))("forgotten");
    await first.kill("SIGKILL");
    dropDatabase();

    const second = await start();
    const known = await (await realize(second))("known");
    await stop(second, known);
    expect(isAlive(Number(known.providerRef))).toBe(false);
    expect(isAlive(Number(forgotten.providerRef))).toBe(true);
  });

  it("goes by what processes recorded themselves, not by what an older one says of them", async () => {
    const { start, realize, backUp, restore, directoryOf } = house();
    const first = await start();
    const startOne = await realize(first);
    const [kept, ended, recycled, deleted] = [
      await startOne("kept"),
      await startOne("ended"),
      await startOne("recycled"),
      await startOne("deleted"),
    ];
    await first.kill("SIGKILL");
    backUp();

    // What the backup does not know: three of them end, and another one is started.
    const second = await start();
    for (const service of [ended, recycled, deleted]) await stop(second, service);
    const later = await (await realize(second))("later");
    await second.kill("SIGKILL");
    restore();
    rmSync(directoryOf(deleted), { recursive: true });
    const stranger = spawn("sleep", ["1000"], { detached: true });
    onTestFinished(() => void stranger.kill("SIGKILL"));
    for (const file of ["pid", "claim"]) {
      const path = join(directoryOf(recycled), "instances", "1", file);
      writeFileSync(path, readFileSync(path, "utf8").replace(/^\d+/, String(stranger.pid)));
    }

    const third = await start();
    const stateOf = async ({ serviceId }: Service) =>
      (await third.client.getService({ serviceId })).service;
    expect(await stateOf(kept)).toMatchObject({
      state: ServiceState.RUNNING,
      providerRef: kept.providerRef,
    });
    for (const service of [ended, recycled, deleted]) {
      const found = await eventually(
        async () => {
          const row = await stateOf(service);
          return OVER.some((state) => state === row?.state) && row;
        },
        { timeoutMs: 60_000 },
      );
      expect(found, service.serviceName).toMatchObject({ state: ServiceState.FAILED });
    }
    expect((await stateOf(deleted))?.stateReason).toBe(StateReason.EXIT_STATUS_LOST);
    await stop(third, recycled);
    await stop(third, kept);
    expect(isAlive(Number(kept.providerRef))).toBe(false);
    expect(isAlive(stranger.pid ?? 0)).toBe(true);
    expect(isAlive(Number(later.providerRef))).toBe(true);
  });
});
