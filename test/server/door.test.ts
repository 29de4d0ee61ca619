import { createServer } from "node:http";
import { connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { openDoor } from "../../src/server/door.ts";

/** All that a connection is told until it is closed. */
async function say(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1" });
  let told = "";
  socket.on("data", (chunk) => {
    told += chunk;
  });
  socket.write(text);
  await new Promise<void>((resolve, reject) => {
    socket.once("close", () => resolve());
    socket.once("error", reject);
  });
  return told;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("the address before its server", () => {
  it("answers /healthz at once, keeps every other connection, and hands all over", async () => {
    const port = await freePort();
    const door = await openDoor({ host: "127.0.0.1", port, tls: false });

    expect(await say(port, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")).toMatch(
      /^HTTP\/1\.1 503 .*\r\n\r\nNOT_SERVING\n$/s,
    );
    expect(await say(port, "HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\n")).toMatch(/\r\n\r\n$/);
    const body = "x".repeat(500_000);
    const early = say(
      port,
      `POST /late HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const silent = connect({ port, host: "127.0.0.1" });
    await new Promise((resolve) => silent.once("connect", resolve));
    const gone = connect({ port, host: "127.0.0.1" });
    gone.write("GET / HT");
    await new Promise((resolve) => gone.once("connect", resolve));
    gone.destroy();

    const server = createServer(async (request, response) => {
      let length = 0;
      for await (const chunk of request) length += chunk.length;
      response.end(`${request.url} ${length}`);
    });
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    door.handOver(server);
    expect(await early).toContain("/late 500000");

    // Who had said nothing yet, and who comes only now.
    const late = new Promise<string>((resolve) =>
      silent.once("data", (data) => resolve(`${data}`)),
    );
    silent.write("GET /then HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    expect(await late).toContain("/then 0");
    expect(await say(port, "GET /now HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).toContain(
      "/now 0",
    );
  });

  it("rejects with the system's word for an address that is taken", async () => {
    const port = await freePort();
    const first = await openDoor({ host: "127.0.0.1", port, tls: false });
    await expect(openDoor({ host: "127.0.0.1", port, tls: false })).rejects.toMatchObject({
      code: "EADDRINUSE",
      syscall: "listen",
    });
    const server = createServer();
    first.handOver(server);
    await new Promise((resolve) => server.once("listening", resolve));
    await new Promise((resolve) => server.close(resolve));
    const again = await openDoor({ host: "127.0.0.1", port, tls: false });
    const last = createServer();
    again.handOver(last);
    await new Promise((resolve) => last.once("listening", resolve));
    last.close();
  });
});
