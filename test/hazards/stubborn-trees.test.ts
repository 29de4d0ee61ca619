import { randomUUID } from "node:crypto";
import { createServer } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { ServiceState, StopProof } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { fixture, processesWith } from "../supervisor/support.ts";
import { eventually } from "../support/eventually.ts";
import { proofModes, proofOf } from "../support/proof-modes.ts";
import { startServer } from "../support/server.ts";
import { realizePrimary, type SpecInit, shellService } from "../support/workspace.ts";

/** TAG stands in the arguments of whatever a usual way of ending a tree would miss. */
const TREES: Readonly<Record<string, string>> = {
  background: "sh -c 'sleep 1000; :' TAG & exec sh -c 'sleep 1000; :' TAG",
  nohup: "nohup sh -c 'sleep 1000; :' TAG & sleep 1000",
  "double-fork": "(sh -c 'sleep 1000; :' TAG &) ; sleep 1000",
  session: "setsid sh -c 'sleep 1000; :' TAG & sleep 1000",
  "deaf-to-term": `sh -c 'trap "" TERM; while :; do sleep 1; done' TAG & trap "" TERM; while :; do sleep 1; done`,
  "deaf-to-hup": `sh -c 'trap "" HUP; while :; do sleep 1; done' TAG & wait`,
  "fork-while-dying": `sh ${fixture("fork-while-dying.sh")} TAG`,
  // Its child holds the port, out of its session and without its marker.
  listener: `env -i setsid ${process.execPath} ${fixture("listen.mjs")} "$PORT" TAG & wait`,
};
/** Sheds session, environment and output: where only a scan can be had its receipt says so, and no more. */
const DAEMON = `sh ${fixture("double-fork.sh")} TAG; sleep 1000`;

describe.each(proofModes())(
  "hazard 16: after StopServices on $host",
  { timeout: 120_000 },
  ({ through }) => {
    it("nothing of any stubborn tree lives, and its port is free", async () => {
      const server = await startServer({ through });
      onTestFinished(() => server.stop());
      const proof = await proofOf(server);
      const workspace = await realizePrimary(server);
      onTestFinished(() => workspace.remove());
      const trees = { ...TREES, ...(proof === StopProof.SCAN ? {} : { daemon: DAEMON }) };
      const tags = new Map(Object.keys(trees).map((name) => [name, `${name}-${randomUUID()}`]));
      onTestFinished(() => {
        for (const tag of tags.values()) killAll(processesWith(tag));
      });

      const specs = Object.entries(trees).map(
        ([name, command]): SpecInit =>
          shellService(name, command.replaceAll("TAG", tags.get(name) ?? ""), {
            stop: { gracePeriod: { nanos: 300_000_000 } },
            ...(name === "listener" ? { port: { port: { case: "auto", value: {} } } } : {}),
          }),
      );
      const { services } = await server.client.ensureServices({
        runId: "run",
        workspaceId: workspace.workspaceId,
        services: specs,
      });
      for (const tag of tags.values()) await eventually(() => processesWith(tag).length > 0);

      await Promise.all(
        services.map(async ({ serviceId, serviceName, port }) => {
          const { stopped, services: after } = await server.client.stopServices({
            target: { case: "serviceId", value: serviceId },
            force: true,
          });
          // At once: a stop is told when it is proven, not a little before.
          expect(processesWith(tags.get(serviceName) ?? ""), serviceName).toEqual([]);
          expect(after[0]?.state, serviceName).toBe(ServiceState.STOPPED);
          expect(stopped[0], serviceName).toMatchObject({ proof, survivors: [], portsFree: true });
          if (port !== undefined) await bind(port);
        }),
      );
    });
  },
);

function bind(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(port, "127.0.0.1", () => server.close(() => resolve()));
  });
}

function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // ended by itself
    }
  }
}
