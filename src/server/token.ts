import { randomBytes } from "node:crypto";
import { chmod, link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * The bearer token of a data directory, from `<data dir>/token` (0600); made there at the first
 * start. Fails when the file is there and empty, rather than serve with a token of nothing.
 */
export async function loadToken(dataDir: string): Promise<string> {
  const path = join(dataDir, "token");
  const token = (await readToken(path)) ?? (await createToken(path));
  if (token === "") {
    throw new Error(`${path} is empty; remove it to have a new token made at the next start`);
  }
  return token;
}

async function readToken(path: string): Promise<string | undefined> {
  try {
    const text = await readFile(path, "utf8");
    await chmod(path, 0o600);
    return text.trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function createToken(path: string): Promise<string> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeFile(draft, `${randomBytes(32).toString("base64url")}\n`, {
      mode: 0o600,
      flag: "wx",
    });
    // A link appears whole or not at all, and never over another's: a crash leaves no empty token.
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  return (await readFile(path, "utf8")).trim();
}
