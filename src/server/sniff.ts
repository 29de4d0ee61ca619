import type { Socket } from "node:net";

export type Protocol = "http1" | "http2";

const HTTP2_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/**
 * Reads just enough of a fresh connection to know what it speaks, puts the bytes back and hands it
 * on. One that ends, fails or stays silent for `timeoutMs` is destroyed and never handed on.
 */
export function sniffProtocol(
  socket: Socket,
  timeoutMs: number,
  handOn: (protocol: Protocol) => void,
): void {
  let seen: Buffer = Buffer.alloc(0);

  const onReadable = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const protocol = protocolOf(seen);
    if (protocol === undefined) return;
    letGo();
    socket.unshift(seen);
    handOn(protocol);
  };
  const giveUp = () => {
    letGo();
    // Bytes may still arrive, and with them errors: destroyed sockets report theirs to nobody.
    socket.on("error", ignore);
    socket.destroy();
  };
  const letGo = () => {
    clearTimeout(timer);
    socket.off("readable", onReadable);
    socket.off("end", giveUp);
    socket.off("close", giveUp);
    socket.off("error", giveUp);
  };

  const timer = setTimeout(giveUp, timeoutMs);
  timer.unref();
  socket.on("readable", onReadable);
  socket.on("end", giveUp);
  socket.on("close", giveUp);
  socket.on("error", giveUp);
}

/** Undefined while the bytes could still become either. No HTTP/1.1 method begins with "PRI ". */
function protocolOf(seen: Buffer): Protocol | undefined {
  const length = Math.min(seen.length, HTTP2_PREFACE.length);
  if (!seen.subarray(0, length).equals(HTTP2_PREFACE.subarray(0, length))) return "http1";
  return length === HTTP2_PREFACE.length ? "http2" : undefined;
}

function ignore(): void {}
