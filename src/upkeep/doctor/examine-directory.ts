import { readFileSync, type Stats, statfsSync, statSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { networkFileSystem } from "../../store/file-system-type.ts";
import type { Finding } from "./finding.ts";

const SECRETS = ["token", "identity-key", "installation-id", "store.db", "store.db-wal"];
const PRIVATE_DIRECTORIES = ["", "services", "operations", "runtime"];
/** Below this logs and store soon find no space. */
const LEAST_FREE_BYTES = 256 * 1024 * 1024;

/** Owner, modes, file system and free space of a data directory that is there. */
export function examineDirectory(dataDir: string): Finding[] {
  return [
    ...PRIVATE_DIRECTORIES.flatMap((name) => examineMode(join(dataDir, name), 0o700)),
    ...SECRETS.flatMap((name) => examineMode(join(dataDir, name), 0o600)),
    ...examineInstallation(dataDir),
    ...examineFileSystem(dataDir),
  ];
}

function examineMode(path: string, most: number): Finding[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  return [...examineOwner(path, found), ...examineBits(path, found, most)];
}

function examineOwner(path: string, { uid }: Stats): Finding[] {
  const own = process.getuid?.() ?? uid;
  if (uid === own) return [];
  return [
    {
      check: "data directory",
      problem: `${path} belongs to user ${uid}, and this is user ${own}.`,
      advice: "Run the server and this command as the user that the data directory belongs to.",
    },
  ];
}

function examineBits(path: string, { mode }: Stats, most: number): Finding[] {
  const bits = mode & 0o777;
  if ((bits & ~most) === 0) return [];
  return [
    {
      check: "data directory",
      problem: `${path} has mode ${octal(bits)}: others can reach what is in it.`,
      advice: `chmod ${octal(most)} ${path}`,
      repair: { what: `chmod ${octal(most)} ${path}`, run: () => chmod(path, most) },
    },
  ];
}

function examineInstallation(dataDir: string): Finding[] {
  const path = join(dataDir, "installation-id");
  const text = readText(path);
  if (text !== undefined && /^[0-9a-f-]{36}\n?$/.test(text)) return [];
  return [
    {
      check: "data directory",
      problem: `${path} ${text === undefined ? "is missing" : "is damaged"}: services that run cannot be told from others'.`,
      advice: "Restore it from a backup. If no service runs, remove it: the next server makes one.",
    },
  ];
}

function examineFileSystem(dataDir: string): Finding[] {
  const { type, bavail, bsize } = statfsSync(dataDir);
  const findings: Finding[] = [];
  const network = networkFileSystem(type);
  if (network !== undefined) {
    findings.push({
      check: "data directory",
      problem: `${dataDir} is on a network file system (${network}), where locks and pipes cannot be trusted.`,
      advice: "Move it to a local disk and name that with --data-dir.",
    });
  }
  const free = bavail * bsize;
  if (free < LEAST_FREE_BYTES) {
    findings.push({
      check: "data directory",
      problem: `Only ${Math.floor(free / 1e6)} MB are free for ${dataDir}.`,
      advice: "Free space there: services go on without it, but their output is lost.",
    });
  }
  return findings;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function octal(bits: number): string {
  return bits.toString(8).padStart(4, "0");
}
