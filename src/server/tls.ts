import { readFile } from "node:fs/promises";

export interface TlsFiles {
  /** Paths of PEM files. */
  readonly cert: string;
  readonly key: string;
  /** Clients must show a certificate of this authority; the token is asked for all the same. */
  readonly clientCa?: string;
}

export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa?: Buffer;
}

export async function readTlsFiles(files: TlsFiles): Promise<TlsMaterial> {
  const [cert, key, clientCa] = await Promise.all([
    readFile(files.cert),
    readFile(files.key),
    files.clientCa === undefined ? undefined : readFile(files.clientCa),
  ]);
  return { cert, key, ...(clientCa && { clientCa }) };
}

/**
 * Browsers and curl offer h2 and http/1.1, gRPC clients h2 alone: so whoever can speak HTTP/1.1 gets
 * it, or browsers would end at gRPC, which answers them 415. None in common: the handshake fails.
 */
export function chooseProtocol({ protocols }: { protocols: string[] }): string | undefined {
  return ["http/1.1", "h2"].find((protocol) => protocols.includes(protocol));
}
