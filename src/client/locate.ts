import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** How to find a server; what is left out is looked for. */
export interface LocateOptions {
  /** Such as "http://127.0.0.1:7433"; default `WORKSPACE_RUNTIME_ADDRESS`. */
  readonly address?: string | undefined;
  /** Path of the server's Unix socket, which needs no token. */
  readonly socket?: string | undefined;
  /** Bearer token; default `WORKSPACE_RUNTIME_TOKEN`, else the file `token` of the data directory. */
  readonly token?: string | undefined;
  /** Default `WORKSPACE_RUNTIME_DATA_DIR`, else `$XDG_STATE_HOME/workspace-runtime`, else `~/.local/state/workspace-runtime`. */
  readonly dataDir?: string | undefined;
}

/** Where a server answers. */
export type Location =
  | { readonly kind: "socket"; readonly path: string }
  | { readonly kind: "address"; readonly url: URL };

/** What a running server writes to `<data dir>/server.json`: the line that it prints when ready. */
export interface ServerRecord {
  readonly address: string;
  readonly socket: string;
  readonly dataDir: string;
  readonly pid: number;
}

/** No server is to be found. The message says where was looked and what to do. */
export class NoServerError extends Error {
  override readonly name = "NoServerError";
}

/**
 * An explicit socket or address, else the environment's, else what the server of the data directory
 * says of itself: its socket, which nobody else can have taken after its end, else its address.
 * @throws NoServerError when the data directory has no running server.
 */
export function locateServer(options: LocateOptions): Location {
  if (options.socket !== undefined) return { kind: "socket", path: options.socket };
  const address = options.address ?? (options.dataDir ? "" : environment("ADDRESS"));
  if (address !== "") return { kind: "address", url: parseAddress(address) };
  const dataDir = dataDirOf(options);
  const record = readServerRecord(dataDir);
  if (record === undefined) {
    throw new NoServerError(
      `no server is running with the data directory ${dataDir}: start one with \`workspace-runtime serve\``,
    );
  }
  if (record.socket !== "") return { kind: "socket", path: record.socket };
  return { kind: "address", url: parseAddress(record.address) };
}

/** The token for calls over TCP; "" if none is to be found. */
export function locateToken(options: LocateOptions): string {
  const given = options.token ?? (options.dataDir ? "" : environment("TOKEN"));
  return given || readText(tokenFileOf(options))?.trim() || "";
}

/** Where a server keeps its token. */
export function tokenFileOf(options: Pick<LocateOptions, "dataDir">): string {
  return join(dataDirOf(options), "token");
}

/** The data directory that a server and its clients agree on without a word. */
export function dataDirOf(options: Pick<LocateOptions, "dataDir">): string {
  if (options.dataDir) return options.dataDir;
  const named = environment("DATA_DIR");
  if (named !== "") return named;
  const home = process.env.HOME || homedir();
  const state = process.env.XDG_STATE_HOME || join(home, ".local", "state");
  return join(state, "workspace-runtime");
}

/** Undefined if no server runs with this data directory, as far as it says itself. */
export function readServerRecord(dataDir: string): ServerRecord | undefined {
  const text = readText(join(dataDir, "server.json"));
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as Partial<ServerRecord> | null;
    return {
      address: String(record?.address ?? ""),
      socket: String(record?.socket ?? ""),
      dataDir: String(record?.dataDir ?? dataDir),
      pid: Number(record?.pid ?? 0),
    };
  } catch {
    return undefined;
  }
}

function parseAddress(address: string): URL {
  const text = address.includes("://") ? address : `http://${address}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    throw new TypeError(`"${address}" is no address: write it as http://127.0.0.1:7433`);
  }
  return url;
}

function environment(name: string): string {
  return process.env[`WORKSPACE_RUNTIME_${name}`] ?? "";
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
