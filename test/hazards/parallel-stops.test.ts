import { describe, expect, it, onTestFinished } from "vitest";
import { ScopeType, type StopReceipt } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { processesWithVariable } from "../support/processes.ts";
import { proofOf } from "../support/proof-modes.ts";
import { startServer } from "../support/server.ts";
import { realizePrimary, type SpecInit, shellService } from "../support/workspace.ts";

const isFull = Boolean(process.env.TEST_FULL);
const COUNT = isFull ? 500 : 200;
const VARIABLE = "PARALLEL_STOP_TEST";
const MARK = String(process.pid);

/** The slowest decides: so there are some that take their time, and some that must be killed. */
const COMMANDS = [
  "exec sleep 1000",
  "sleep 1000 & sleep 1000",
  "trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.05; done",
  "trap '' TERM; sleep 1000 & while :; do sleep 0.5; done",
] as const;
const GRACE_MS = 1_000;
/** Of 8 services 6 end at once, one takes its time, one must be killed. */
const commandOf = (index: number) => COMMANDS[index % 8 < 6 ? index % 2 : (index % 8) - 4];

describe("hazard 24", () => {
  it(
    `${COUNT} services stop together, each with proof, within twice the slowest single stop and 2 s`,
    async () => {
      const server = await startServer();
      onTestFinished(() => server.stop());
      const proof = await proofOf(server);
      const workspace = await realizePrimary(server);
      onTestFinished(() => workspace.remove());
      const spec = (name: string, command = ""): SpecInit =>
        shellService(name, command, {
          env: { [VARIABLE]: MARK },
          reuseScope: ScopeType.EXECUTION_WORKSPACE,
          stop: { gracePeriod: { nanos: 999_999_999 } },
        });
      const start = (services: readonly SpecInit[]) =>
        server.client.startServices({
          target: { case: "workspaceId", value: workspace.workspaceId },
          services: [...services],
        });
      const stopAll = async () => {
        const began = performance.now();
        const { stopped } = await server.client.stopServices({
          target: { case: "workspaceId", value: workspace.workspaceId },
        });
        return { stopped, ms: performance.now() - began };
      };
      const check = (receipts: readonly StopReceipt[]) => {
        for (const receipt of receipts) {
          expect(receipt).toMatchObject({ proof, survivors: [], portsFree: true });
          expect(receipt.processesEnded).toBeGreaterThan(0);
        }
        expect(processesWithVariable(VARIABLE, MARK)).toEqual([]);
      };

      let slowest = 0;
      for (const command of COMMANDS) {
        await start([spec("single", command)]);
        const { stopped, ms } = await stopAll();
        check(stopped);
        slowest = Math.max(slowest, ms);
      }
      expect(slowest).toBeGreaterThanOrEqual(GRACE_MS - 1);

      const specs = Array.from({ length: COUNT }, (_, index) =>
        spec(`service-${index}`, commandOf(index)),
      );
      const { services, failures } = await start(specs);
      expect([services.length, failures]).toEqual([COUNT, []]);
      const { stopped, ms } = await stopAll();
      expect(stopped).toHaveLength(COUNT);
      check(stopped);
      const figures = `${COUNT} services in ${Math.round(ms)} ms; the slowest alone ${Math.round(slowest)} ms`;
      console.info(figures);
      // Beside the rest of the suite time says nothing of the product: five times as long is a defect there, too.
      expect(ms, figures).toBeLessThan((isFull ? 1 : 5) * (2 * slowest + 2_000));
    },
    COUNT * 3_000,
  );
});
