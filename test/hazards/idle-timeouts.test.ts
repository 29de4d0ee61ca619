import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  DesiredState,
  ServiceState,
  StateReason,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  isAlive,
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const PRELOAD = new URL("../fixtures/processes/shifted-clock.mjs", import.meta.url).href;

/** A service that is stopped after so many milliseconds without a lease. */
function idleService(name: string, idleMs: number): SpecInit {
  const idle = { seconds: BigInt(Math.floor(idleMs / 1000)), nanos: (idleMs % 1000) * 1_000_000 };
  const stopPolicy: SpecInit["stopPolicy"] = { policy: { case: "idleTimeout", value: { idle } } };
  return shellService(name, "exec sleep 1000", { stopPolicy });
}

describe("hazard 14: idle timeouts", { timeout: 120_000 }, () => {
  /** Real servers, one after another on one data directory, whose wall clock the test sets. */
  async function house() {
    const directory = mkdtempSync(join(tmpdir(), "wsrt-idle-"));
    const file = join(directory, "shift");
    let shift = 0;
    const set = (ms: number) => {
      shift = ms;
      // Whole at any moment: the server reads it whenever it asks for the time.
      writeFileSync(`${file}.new`, String(ms));
      renameSync(`${file}.new`, file);
    };
    set(0);
    let server: TestServer | undefined;
    const start = async () => {
      const dataDir = join(directory, "data");
      const env = { NODE_OPTIONS: `--import ${PRELOAD}`, CLOCK_SHIFT: file };
      server = await startServer({ dataDir, env });
      return server;
    };
    onTestFinished(async () => {
      await server?.stop();
      rmSync(directory, { recursive: true, force: true });
    });
    const state = async (serviceId = "") =>
      (await server?.client.getService({ serviceId }))?.service;
    return {
      start,
      state,
      /** Time goes by while no server runs. */
      pass: (ms: number) => set(shift + ms),
      /** Sets the clock and has the server look at it now: by itself it does so each minute. */
      async jump(ms: number) {
        set(shift + ms);
        await server?.client.releaseRun({ runId: "nobody" });
      },
      stopped: (serviceId = "") =>
        eventually(async () => (await state(serviceId))?.state === ServiceState.STOPPED, {
          timeoutMs: 60_000,
        }),
    };
  }

  async function startOne(server: TestServer, workspace: TestWorkspace, spec: SpecInit) {
    const { services } = await server.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: [spec],
    });
    await server.client.releaseRun({ runId: "run" });
    return services[0];
  }

  async function withWorkspace(server: TestServer) {
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    return workspace;
  }

  it("may be 30 days long, and are kept by the next server for what it adopts", async () => {
    const { start, state, jump, stopped } = await house();
    const first = await start();
    const workspace = await withWorkspace(first);
    const month = await startOne(first, workspace, idleService("month", 30 * DAY));
    const leased = await first.client.ensureServices({
      runId: "holder",
      workspaceId: workspace.workspaceId,
      services: [idleService("leased", MINUTE)],
      leaseTtl: { seconds: BigInt((365 * DAY) / 1000) },
    });
    await jump(29 * DAY);
    expect((await state(month?.serviceId))?.state).toBe(ServiceState.RUNNING);

    await first.kill("SIGKILL");
    await start();
    await jump(DAY - 5 * MINUTE);
    expect(await state(month?.serviceId)).toMatchObject({
      state: ServiceState.RUNNING,
      providerRef: month?.providerRef,
    });
    await jump(5 * MINUTE);
    await stopped(month?.serviceId);
    expect((await state(month?.serviceId))?.stateReason).toBe(StateReason.IDLE_TIMEOUT);
    expect(isAlive(Number(month?.providerRef))).toBe(false);
    const held = await state(leased.services[0]?.serviceId);
    expect(held).toMatchObject({ state: ServiceState.RUNNING, leaseRunIds: ["holder"] });
  });

  it("run out while no server runs: the next one stops what it adopts", async () => {
    const { start, pass, stopped, state } = await house();
    const first = await start();
    const workspace = await withWorkspace(first);
    const service = await startOne(first, workspace, idleService("brief", MINUTE));
    await first.kill("SIGKILL");
    pass(2 * MINUTE);
    expect(isAlive(Number(service?.providerRef))).toBe(true);
    await start();
    await stopped(service?.serviceId);
    expect((await state(service?.serviceId))?.stateReason).toBe(StateReason.IDLE_TIMEOUT);
    expect(isAlive(Number(service?.providerRef))).toBe(false);
  });

  it("count from the moment when a clock that was set back is noticed, not from a year to come", async () => {
    const { start, state, jump, stopped } = await house();
    const server = await start();
    const workspace = await withWorkspace(server);
    const service = await startOne(server, workspace, idleService("back", 30 * MINUTE));
    await jump(-365 * DAY);
    await jump(29 * MINUTE);
    expect((await state(service?.serviceId))?.state).toBe(ServiceState.RUNNING);
    await jump(MINUTE + 1_000);
    await stopped(service?.serviceId);
  });

  it("hold for what a person started, and for what a run gave up for another identity", async () => {
    const { start, stopped } = await house();
    const server = await start();
    const workspace = await withWorkspace(server);
    const { workspaceId } = workspace;
    const { services: started } = await server.client.startServices({
      target: { case: "workspaceId", value: workspaceId },
      services: [idleService("by-hand", 300)],
    });
    await stopped(started[0]?.serviceId);

    const ensure = (spec: SpecInit) =>
      server.client.ensureServices({ runId: "changing", workspaceId, services: [spec] });
    const { services } = await ensure(idleService("former", 300));
    await ensure(shellService("former", "exec sleep 1001"));
    await stopped(services[0]?.serviceId);
  });

  it("stop nothing that is wanted running", async () => {
    const { start, state, jump } = await house();
    const server = await start();
    const workspace = await withWorkspace(server);
    const service = await startOne(server, workspace, idleService("wanted", MINUTE));
    const update = (desiredState: DesiredState) =>
      server.client.updateWorkspace({
        workspace: { workspaceId: workspace.workspaceId, desiredState },
        updateMask: { paths: ["desired_state"] },
      });
    await update(DesiredState.RUNNING);
    await jump(DAY);
    await jump(DAY);
    expect((await state(service?.serviceId))?.state).toBe(ServiceState.RUNNING);
    await update(DesiredState.STOPPED);
    await jump(0);
    await eventually(
      async () => (await state(service?.serviceId))?.stateReason === StateReason.IDLE_TIMEOUT,
      { timeoutMs: 60_000 },
    );
  });
});
