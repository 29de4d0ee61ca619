import { describe, expect, it, onTestFinished } from "vitest";
import { createClient, errorDetails } from "../../src/client/index.ts";
import { fuzz } from "../fuzz/fuzz.ts";
import { chosenSeed } from "../support/random.ts";
import { startServer } from "../support/server.ts";

describe("hazard 47: whatever comes over the wire", { timeout: 240_000 }, () => {
  it("is answered with a typed error, and the server lives, answers in time and holds nothing afterwards", async () => {
    const seed = chosenSeed();
    const { counts, failures } = await fuzz({ seed, seconds: 5, streamsARound: 100 });
    expect(failures, `seed ${seed}`).toEqual([]);
    for (const what of ["mutated gRPC frames", "calls in sequences", "streams"]) {
      expect(counts.get(what), what).toBeGreaterThan(0);
    }
  });

  it.each([
    ["is too large", 5_000_000, undefined],
    ["is given up while it is sent", 3_000_000, 20],
  ])(
    "a request that %s leaves the other calls of its caller alone",
    async (_, length, giveUpMs) => {
      const server = await startServer();
      onTestFinished(() => server.stop());
      // As its callers have it: a call that a connection does not take any more is made again on the next.
      const client = createClient({ address: server.address, token: server.token });
      const watching = new AbortController();
      const watch = client.watchStatus({}, { signal: watching.signal });
      const messages = watch[Symbol.asyncIterator]();
      await messages.next();
      for (let round = 0; round < 12; round += 1) {
        const call = client.getService(
          { serviceId: "x".repeat(length) },
          giveUpMs === undefined
            ? {}
            : { signal: AbortSignal.timeout(1 + ((round * 7) % giveUpMs)) },
        );
        const error = await call.then(() => undefined, errorDetails);
        if (giveUpMs === undefined) {
          expect(error).toMatchObject({ status: "RESOURCE_EXHAUSTED", reason: "LIMIT_EXCEEDED" });
        }
        const info = await client.getRuntimeInfo({});
        expect(info.counts.status_watchers).toBe(1n);
      }
      watching.abort();
      await messages.next().catch(() => {});
    },
  );
});
