import { createServer, type Server, type Socket } from "node:net";

/**
 * The server's address, bound before the rest of the server is read from disk: `/healthz` is answered from the first
 * moment, and every other connection is kept until there is somebody to serve it.
 */
export interface Door {
  /** `server` listens from here on; those who waited are its first connections. Once. */
  handOver(server: Server): void;
}

export interface DoorOptions {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  /** What is under TLS cannot be answered before its certificate is read. */
  readonly tls: boolean;
}

const MOST_WAITING = 1_000;
const HEALTH_REQUEST = "HEAD /healthz HTTP/1.1\r\n";
const NOT_SERVING =
  "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n" +
  "content-length: 12\r\nconnection: close\r\n\r\n";

/** Rejects with the system's error (EADDRINUSE, EACCES, …). */
export async function openDoor({ host, port, tls }: DoorOptions): Promise<Door> {
  const waiting = new Map<Socket, Guest>();
  // As node:http listens: who has said all may still be answered.
  const door = createServer({ allowHalfOpen: true }, (socket) => {
    const guest: Guest = {
      said: Buffer.alloc(0),
      hear: () => hear(socket, guest),
      leave: () => waiting.delete(socket),
    };
    waiting.set(socket, guest);
    socket.on("error", ignore);
    socket.on("close", guest.leave);
    if (!tls) socket.on("readable", guest.hear);
  });
  door.maxConnections = MOST_WAITING;
  await new Promise<void>((resolve, reject) => {
    door.once("error", reject);
    door.listen({ host, port }, () => {
      door.off("error", reject);
      resolve();
    });
  });

  return {
    handOver(server) {
      server.once("listening", () => {
        for (const [socket, guest] of waiting) handOn(socket, guest, server);
        waiting.clear();
      });
      server.listen(door);
    },
  };

  function hear(socket: Socket, guest: Guest): void {
    // What comes after the first words stays with the kernel: nobody fills our memory before we are there.
    if (guest.said.length >= HEALTH_REQUEST.length) return;
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    guest.said = Buffer.concat([guest.said, chunk]);
    const method = /^(GET|HEAD) \/healthz HTTP\/1\.1\r\n/.exec(guest.said.toString("latin1"))?.[1];
    if (method === undefined) return;
    waiting.delete(socket);
    socket.off("readable", guest.hear);
    socket.resume();
    socket.end(method === "GET" ? `${NOT_SERVING}NOT_SERVING\n` : NOT_SERVING);
  }
}

/** Somebody who waits. */
interface Guest {
  said: Buffer;
  readonly hear: () => void;
  readonly leave: () => void;
}

function handOn(socket: Socket, { said, hear, leave }: Guest, server: Server): void {
  socket.off("readable", hear);
  socket.off("close", leave);
  socket.off("error", ignore);
  if (said.length > 0) socket.unshift(said);
  server.emit("connection", socket);
}

function ignore(): void {}
