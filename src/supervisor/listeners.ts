import { closeSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { createServer } from "node:net";
import { readProcFile } from "./process-stat.ts";

/** A TCP socket that accepts connections in our network namespace. */
export interface Listener {
  readonly port: number;
  /** As it is bound: "127.0.0.1", "0.0.0.0", "::", "::1", … */
  readonly address: string;
  /** Names the socket among the descriptors of processes. */
  readonly inode: string;
}

/** Who listens: without pids when no process that we may look into holds the socket. */
export interface PortOwner extends Listener {
  readonly pids: readonly number[];
}

/** All listening TCP sockets, from /proc/net; empty where there is none. */
export function listListeners(): Listener[] {
  return [...eachListener()];
}

/** Whether one of these processes listens on the port. Looks no further than it must. */
export function isListenedBy(port: number, pids: readonly number[]): boolean {
  for (const listener of eachListener()) {
    if (listener.port !== port) continue;
    for (const pid of pids) {
      for (const inode of socketsOf(pid)) if (inode === listener.inode) return true;
    }
  }
  return false;
}

/** The listeners on these ports with their processes. Looks into every process, unless `among` says into which. */
export async function findPortOwners(
  ports: readonly number[],
  among?: Iterable<number>,
): Promise<PortOwner[]> {
  const wanted = new Set(ports);
  const listeners = listListeners().filter(({ port }) => wanted.has(port));
  if (listeners.length === 0) return [];
  const holders = await findHolders(new Set(listeners.map(({ inode }) => inode)), among);
  return listeners.map((listener) => ({ ...listener, pids: holders.get(listener.inode) ?? [] }));
}

/** The ports on which these processes listen, ascending. */
export async function listeningPorts(pids: Iterable<number>): Promise<number[]> {
  const listeners = listListeners();
  const holders = await findHolders(new Set(listeners.map(({ inode }) => inode)), pids);
  const ports = listeners.filter(({ inode }) => holders.has(inode)).map(({ port }) => port);
  return [...new Set(ports)].sort((a, b) => a - b);
}

/** Whether nobody listens on it, at any address. Without /proc: whether it can be bound. */
export async function portIsFree(port: number): Promise<boolean> {
  if (readProcFile("/proc/net/tcp") === undefined) return canBind(port);
  return !listListeners().some((listener) => listener.port === port);
}

const LISTEN = "0A";

/** Lazily: the second table is not opened for who has found enough in the first. */
function* eachListener(): Iterable<Listener> {
  yield* parse("/proc/net/tcp");
  yield* parse("/proc/net/tcp6");
}

function* parse(path: string): Iterable<Listener> {
  for (const line of readLines(path)) {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    if (local === "local_address") continue;
    // Listening sockets stand first; behind them the kernel walks the table of all connections,
    // which takes milliseconds on a machine with much memory, however few there are.
    if (state !== LISTEN) break;
    const [address = "", port = ""] = local.split(":");
    yield { port: Number.parseInt(port, 16), address: formatAddress(address), inode };
  }
}

/** One line for each read, as the kernel makes them: who stops early spares it the rest. */
const LINE_BYTES = 150;

function* readLines(path: string): Iterable<string> {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch {
    return;
  }
  try {
    const buffer = Buffer.allocUnsafe(LINE_BYTES);
    let rest = "";
    for (;;) {
      const count = readSync(descriptor, buffer, 0, LINE_BYTES, null);
      if (count === 0) return;
      const lines = (rest + buffer.toString("latin1", 0, count)).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** The kernel prints each 32-bit word of an address as the host holds it: little-endian on every host of Node. */
function formatAddress(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) =>
    (word.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)),
  );
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255) {
    return bytes.slice(12).join(".");
  }
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0)).toString(16),
  );
  return groups.join(":").replace(/(^|:)0(:0)+(:|$)/, "::");
}

/** Processes per turn of the event loop. */
const BATCH = 32;

async function findHolders(
  inodes: ReadonlySet<string>,
  among: Iterable<number> = allProcesses(),
): Promise<Map<string, number[]>> {
  const holders = new Map<string, number[]>();
  let count = 0;
  for (const pid of among) {
    count += 1;
    if (count % BATCH === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const inode of socketsOf(pid)) {
      if (!inodes.has(inode)) continue;
      const pids = holders.get(inode) ?? [];
      if (!pids.includes(pid)) pids.push(pid);
      holders.set(inode, pids);
    }
  }
  return holders;
}

function allProcesses(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function* socketsOf(pid: number): Iterable<string> {
  let descriptors: string[];
  try {
    descriptors = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return;
  }
  for (const descriptor of descriptors) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1];
      if (inode !== undefined) yield inode;
    } catch {
      // closed meanwhile
    }
  }
}

function canBind(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
