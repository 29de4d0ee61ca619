import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Stands between a server and its PostgreSQL, for the faults of a network. */
export interface PostgresProxy {
  readonly url: string;
  /** The next transaction that says `text` is committed, and its connection cut before the answer. */
  loseAnswerToCommitAfter(text: string): void;
  /** How often that has happened. */
  readonly lost: number;
  /** Nothing arrives any more, in either direction; connections stay open. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

const SOCKET = ".s.PGSQL.5432";
const COMMIT = "commit\0";

/** `url`: of a server on a Unix socket. */
export async function createPostgresProxy(url: string): Promise<PostgresProxy> {
  const target = join(new URL(url).searchParams.get("host") ?? "", SOCKET);
  const directory = mkdtempSync(join(tmpdir(), "wr-pgx-"));
  const sockets = new Set<Socket>();
  let wanted: string | undefined;
  let lost = 0;
  let frozen = false;

  const server = createServer((near) => {
    const far = connect(target);
    let marked = false;
    let swallowing = false;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      if (frozen) from.pause();
    }
    near.on("data", (bytes) => {
      if (wanted !== undefined && bytes.includes(wanted)) {
        wanted = undefined;
        marked = true;
      }
      swallowing ||= marked && bytes.includes(COMMIT);
      far.write(bytes);
    });
    far.on("data", (bytes) => {
      if (!swallowing) return void near.write(bytes);
      lost += 1;
      near.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(join(directory, SOCKET), resolve));

  return {
    url: `postgres://postgres@localhost/postgres?host=${encodeURIComponent(directory)}`,
    loseAnswerToCommitAfter(text) {
      wanted = text;
    },
    get lost() {
      return lost;
    },
    freeze() {
      frozen = true;
      for (const socket of sockets) socket.pause();
    },
    thaw() {
      frozen = false;
      for (const socket of sockets) socket.resume();
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
