import { open } from "node:fs/promises";

/** What a row keeps of a stream that may be long. */
export interface Excerpt {
  /** The end of the stream, whole characters only. */
  readonly text: string;
  /** Of the whole stream. */
  readonly bytes: number;
}

/** Of each stream. */
export const EXCERPT_BYTES = 4096;

/** The last 4 KiB of a file that nobody writes any more; a file that is not there is an empty stream. */
export async function readExcerpt(path: string): Promise<Excerpt> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (file === undefined) return { text: "", bytes: 0 };
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - EXCERPT_BYTES);
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    return { text: excerptText(buffer.subarray(0, bytesRead), start > 0), bytes: size };
  } finally {
    await file.close();
  }
}

/** The text of a stream's last bytes; `cut` says that the stream has more before them. */
export function excerptText(bytes: Uint8Array, cut: boolean): string {
  let start = 0;
  // The rest of a character whose first byte was cut off is at most three bytes long.
  while (cut && start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  // PostgreSQL has no NUL in a text.
  return new TextDecoder().decode(bytes.subarray(start)).replaceAll("\0", "\u{fffd}");
}
