import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import {
  findPortOwners,
  listeningPorts,
  listListeners,
  portIsFree,
} from "../../src/supervisor/listeners.ts";

describe("listeners", () => {
  it.each(["127.0.0.1", "0.0.0.0", "::1", "::"])("finds who listens on %s", async (address) => {
    const server = createServer().listen({ port: 0, host: address, ipv6Only: address === "::" });
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    expect(await portIsFree(port)).toBe(false);
    expect(listListeners()).toContainEqual(expect.objectContaining({ port, address }));
    expect(await findPortOwners([port])).toEqual([
      expect.objectContaining({ port, address, pids: [process.pid] }),
    ]);
    expect(await findPortOwners([port], [1])).toEqual([
      expect.objectContaining({ port, pids: [] }),
    ]);
    expect(await listeningPorts([process.pid])).toContain(port);
    server.close();
    await once(server, "close");
    expect(await portIsFree(port)).toBe(true);
    expect(await findPortOwners([port])).toEqual([]);
  });

  it("does not take a connection's own port for a listener", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { connect } = await import("node:net");
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    await once(client, "connect");
    expect(await portIsFree(client.localPort ?? 0)).toBe(true);
    client.destroy();
    server.close();
  });
});
