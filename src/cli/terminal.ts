import { once } from "node:events";
import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/**
 * Writes and waits until a slow reader has taken it. A reader that has gone (`… | head`) ends the command, as it
 * ends every other one.
 */
export async function write(
  data: string | Uint8Array,
  stream: NodeJS.WriteStream = process.stdout,
): Promise<void> {
  if (!stream.listeners("error").includes(endQuietly)) stream.on("error", endQuietly);
  if (!stream.write(data)) await once(stream, "drain");
}

export async function writeLine(line: string, stream?: NodeJS.WriteStream): Promise<void> {
  await write(`${line}\n`, stream);
}

/** Styled on a terminal only, and never with NO_COLOR. */
export function styled(
  style: Style,
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return styleText(style, text, { stream });
}

function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
}
