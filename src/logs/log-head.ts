import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename } from "node:fs/promises";
import type { PerStream } from "./stream.ts";

/** Where a log begins: which log it is, and from where on its parts are kept. */
export interface LogHead {
  /** Random, made with the log: tells its cursors from those of any other. */
  readonly generation: string;
  /** Bytes below these offsets are trimmed. Stored before the hole is punched. */
  readonly low: PerStream<number>;
  /** Index records below this number are trimmed. */
  readonly firstRecord: number;
}

export interface LogHeadFile {
  readonly head: LogHead;
  write(head: LogHead): Promise<void>;
  close(): Promise<void>;
}

/** One line in one sector: overwritten in place it needs no space and is never seen half. */
const HEAD_BYTES = 128;

export async function openLogHead(path: string): Promise<LogHeadFile> {
  const handle = (await openExisting(path)) ?? (await create(path));
  const bytes = Buffer.alloc(HEAD_BYTES);
  await handle.read(bytes, 0, HEAD_BYTES, 0);
  const stored = parse(bytes.toString("latin1"));
  let head = stored ?? { generation: newGeneration(), low: [0, 0], firstRecord: 0 };
  const write = async (next: LogHead) => {
    await handle.write(format(next), 0, HEAD_BYTES, 0);
    head = next;
  };
  if (stored === undefined) await write(head);
  return {
    get head() {
      return head;
    },
    write,
    close: () => handle.close(),
  };
}

export function newGeneration(): string {
  return randomBytes(9).toString("base64url");
}

async function openExisting(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Renamed into place, so that a crash never leaves a head without its text. */
async function create(path: string): Promise<FileHandle> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, "w+", 0o600);
  try {
    const head: LogHead = { generation: newGeneration(), low: [0, 0], firstRecord: 0 };
    await handle.write(format(head), 0, HEAD_BYTES, 0);
    await rename(temporary, path);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function format(head: LogHead): Buffer {
  const text = `1 ${head.generation} ${head.low[0]} ${head.low[1]} ${head.firstRecord}`;
  return Buffer.from(`${text.padEnd(HEAD_BYTES - 1)}\n`, "latin1");
}

function parse(text: string): LogHead | undefined {
  const match = /^1 ([\w-]+) (\d+) (\d+) (\d+) *\n$/.exec(text);
  const [, generation, stdout, stderr, record] = match ?? [];
  if (generation === undefined) return undefined;
  return { generation, low: [Number(stdout), Number(stderr)], firstRecord: Number(record) };
}
