import { connect } from "node:net";
import { type Attempt, failed, unreachable } from "./attempt.ts";
import { firstGood } from "./loopback.ts";

/** Does anything accept connections on this port of loopback? Bounded by `timeoutMs` for each address. */
export function attemptTcp(port: number, timeoutMs: number): Promise<Attempt> {
  return firstGood((host) => connects(host, port, timeoutMs));
}

function connects(host: string, port: number, timeoutMs: number): Promise<Attempt> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (attempt: Attempt) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(attempt);
    };
    const timer = setTimeout(
      () => finish(failed("PROBE_TIMEOUT", `no connection to port ${port} within ${timeoutMs} ms`)),
      timeoutMs,
    );
    socket.once("connect", () => finish({ ok: true }));
    // A second family that this machine lacks (EADDRNOTAVAIL) is as closed as a refused one.
    socket.once("error", (error) => finish(unreachable(error, "PORT_CLOSED")));
  });
}
