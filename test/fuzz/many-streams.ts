import { ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { eventually } from "../support/eventually.ts";
import { createRandom } from "../support/random.ts";
import type { TestServer } from "../support/server.ts";
import { judge } from "./judge.ts";
import type { Report } from "./report.ts";

const AT_ONCE = 150;

/** Opens so many streams, some hundred at a time, leaves each at any moment, and finds all of them let go. */
export async function manyStreams(
  server: TestServer,
  report: Report,
  seed: number,
  total: number,
): Promise<void> {
  const random = createRandom(seed);
  const { client } = server;
  const { services } = await client.listServices({ states: [ServiceState.RUNNING] });
  let left = total;
  const one = async () => {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), random.below(200));
    const options = { signal: stop.signal };
    const value = random.pick(services)?.serviceId;
    const stream =
      value === undefined || random.percent(50)
        ? client.watchStatus({}, options)
        : client.streamLogs({ source: { case: "serviceId", value }, follow: true }, options);
    try {
      for await (const _ of stream) if (random.percent(5)) break;
    } catch (error) {
      const wrong = judge(error);
      if (wrong !== undefined) report.fail(`a stream: ${wrong}`);
    } finally {
      clearTimeout(timer);
      stop.abort();
    }
    report.count("streams");
  };
  const lanes = Array.from({ length: AT_ONCE }, async () => {
    while (left > 0) {
      left -= 1;
      await one();
    }
  });
  await Promise.all(lanes);
  await eventually(
    async () => {
      const { counts } = await client.getRuntimeInfo({});
      return counts.status_watchers === 0n && counts.log_readers === 0n;
    },
    { timeoutMs: 30_000, intervalMs: 50 },
  ).catch(async () => {
    const { counts } = await client.getRuntimeInfo({});
    report.fail(`streams are still held: ${JSON.stringify(counts, (_, value) => String(value))}`);
  });
}
