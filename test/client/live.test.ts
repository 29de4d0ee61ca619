import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkHealth, createClient, errorDetails } from "../../src/client/index.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

describe("a client of a live server", () => {
  it("calls over TCP with the token and over the socket without one", async () => {
    using tcp = createClient({ address: server.address, token: server.token });
    using socket = createClient({ socket: server.socket });
    const info = await tcp.getRuntimeInfo({});
    expect(info.installationId).toBe((await socket.getRuntimeInfo({})).installationId);
  });

  it("learns why it was refused", async () => {
    using client = createClient({ address: server.address, token: "wrong" });
    const error = await client.listServices({}).catch((thrown: unknown) => thrown);
    expect(errorDetails(error)).toMatchObject({
      code: Code.Unauthenticated,
      reason: "UNAUTHENTICATED",
    });
  });

  it("learns which field was refused", async () => {
    const error = await server.client.realizeWorkspace({}).catch((thrown: unknown) => thrown);
    const { reason, violations } = errorDetails(error);
    expect(reason).toBe("INVALID_FIELD");
    expect(violations.map(({ field }) => field)).toContain("company_id");
  });

  it("asks for the health without a token, over TCP and over the socket", async () => {
    expect(await checkHealth({ address: server.address, token: "" })).toBe("SERVING");
    expect(await checkHealth({ dataDir: server.dataDir })).toBe("SERVING");
  });
});
