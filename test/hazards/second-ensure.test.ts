import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Lifecycle } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { servicesWithVariable } from "../support/processes.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { realizePrimary, type SpecInit, shellService } from "../support/workspace.ts";

const VARIABLE = "SECOND_ENSURE_TEST";

describe("hazard 12: a second ensure of one run", { timeout: 120_000 }, () => {
  const specOf = (name: string, more: SpecInit = {}): SpecInit =>
    shellService(name, "exec sleep 1000", {
      env: { [VARIABLE]: `${process.pid}-${name}` },
      ...more,
    });
  const own = specOf("own", { lifecycle: Lifecycle.EPHEMERAL });
  const shared = specOf("shared");
  const added = specOf("added", { lifecycle: Lifecycle.EPHEMERAL });
  const pidsOf = (name: string) =>
    servicesWithVariable(VARIABLE, `${process.pid}-${name}`).map(({ pid }) => pid);
  const leasedBy = async ({ client }: TestServer, runId: string) => {
    const { leases } = await client.listLeases({ runIds: [runId] });
    return new Set(leases.map(({ serviceId }) => serviceId).filter((id) => id !== ""));
  };

  it("adds, and starts no copy of what it repeats: at once, many times over, and after the server's death", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "wsrt-"));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    const first = await startServer({ dataDir });
    const workspace = await realizePrimary(first);
    onTestFinished(() => workspace.remove());
    const ensure = async ({ client }: TestServer, runId: string, ...services: SpecInit[]) =>
      (await client.ensureServices({ runId, workspaceId: workspace.workspaceId, services }))
        .services;

    // A caller that retries does not wait until its first call is over.
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ensure(first, "run", own, shared)),
    );
    const [begun] = answers.filter(([service]) => service?.reused === false);
    expect(answers.filter(([service]) => service?.reused === false)).toHaveLength(1);
    const ids = begun?.map(({ serviceId }) => serviceId) ?? [];
    for (const answer of answers) {
      expect(answer.map(({ serviceId }) => serviceId)).toEqual(ids);
    }
    expect([pidsOf("own").length, pidsOf("shared").length]).toEqual([1, 1]);

    const [more] = await ensure(first, "run", added);
    expect(await leasedBy(first, "run")).toEqual(new Set([...ids, more?.serviceId]));

    // The answer was lost with the server: the same call again.
    const before = [pidsOf("own"), pidsOf("shared"), pidsOf("added")];
    await first.kill("SIGKILL");
    const second = await startServer({ dataDir });
    onTestFinished(() => second.stop());
    const again = await ensure(second, "run", own, shared, added);
    expect(again.map(({ serviceId, reused }) => [serviceId, reused])).toEqual(
      [...ids, more?.serviceId].map((id) => [id, true]),
    );
    expect([pidsOf("own"), pidsOf("shared"), pidsOf("added")]).toEqual(before);

    // Another run's ephemeral one is another; what is shared is not.
    const [other, joined] = await ensure(second, "other", own, shared);
    expect(other?.reused).toBe(false);
    expect([joined?.serviceId, joined?.reused]).toEqual([ids[1], true]);
    expect(pidsOf("own")).toHaveLength(2);

    await second.client.releaseRun({ runId: "run" });
    expect(pidsOf("own")).toEqual([Number(other?.providerRef)]);
    expect([pidsOf("added"), pidsOf("shared").length]).toEqual([[], 1]);
    expect(await leasedBy(second, "run")).toEqual(new Set());
    expect(await leasedBy(second, "other")).toEqual(new Set([other?.serviceId, ids[1]]));
  });
});
