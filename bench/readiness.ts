import { errorDetails } from "../src/client/index.ts";
import { eventually } from "../test/support/eventually.ts";
import { startServer } from "../test/support/server.ts";
import { httpService, realizePrimary, shellService } from "../test/support/workspace.ts";
import { median, quantile } from "./support/statistics.ts";

const ROUNDS = 30;

/**
 * How soon the server sees what a service did: that it listens (against the time that the service
 * itself wrote when it did), and that it ended before it was ready.
 */
export async function measureReadiness(): Promise<Record<string, number>> {
  const server = await startServer();
  const workspace = await realizePrimary(server);
  try {
    const lags: number[] = [];
    const exits: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      lags.push(await readyLag(round));
      exits.push(await exitLag(round));
    }
    return {
      readyLagMedianMs: median(lags),
      readyLagP90Ms: quantile(lags, 0.9),
      earlyExitMedianMs: median(exits),
      earlyExitP90Ms: quantile(exits, 0.9),
    };
  } finally {
    await server.stop();
    workspace.remove();
  }

  async function readyLag(round: number): Promise<number> {
    const { services } = await server.client.ensureServices({
      runId: `ready-${round}`,
      workspaceId: workspace.workspaceId,
      services: [httpService(`web-${round}`)],
    });
    const answered = Date.now();
    const serviceId = services[0]?.serviceId ?? "";
    // Its line may still be on its way into the log when the answer is here already.
    const listening = await eventually(async () => {
      const source = { case: "serviceId", value: serviceId } as const;
      const { chunks } = await server.client.readLogs({ source });
      return Number(/listening (\d+)/.exec(String(chunks[0]?.content.value))?.[1]) || undefined;
    });
    await server.client.stopServices({
      target: { case: "serviceId", value: serviceId },
      force: true,
    });
    return answered - listening;
  }

  /** From the exit as the kernel's clock has it to the caller's error. */
  async function exitLag(round: number): Promise<number> {
    const error = await server.client
      .ensureServices({
        runId: `exit-${round}`,
        workspaceId: workspace.workspaceId,
        services: [
          shellService(`bad-${round}`, "echo boom >&2; exit 3", {
            port: { port: { case: "auto", value: {} } } as never,
            readiness: { timeout: { seconds: 5n } } as never,
          }),
        ],
      })
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    const answered = Date.now();
    const time = errorDetails(error)?.failures[0]?.exit?.exitTime;
    return answered - (Number(time?.seconds) * 1000 + (time?.nanos ?? 0) / 1e6);
  }
}

if (import.meta.main) console.log(await measureReadiness());
