import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../test/support/eventually.ts";
import { type SpecInit, shellService } from "../../test/support/workspace.ts";
import type { Scene } from "./scene.ts";

const LINE = "x".repeat(99);

/** Shell that writes so many bytes of 100-byte lines as fast as it can, and then only is there. */
export function lines(bytes: number): string {
  return `yes ${LINE} | head -c ${bytes}; exec sleep 600`;
}

export interface WaitingWriter {
  readonly spec: SpecInit;
  begin(): void;
  /** Milliseconds that its writing took, by its own clock; once it has written all. */
  took(): Promise<number>;
}

/** The same, but that it waits for a word, so that its readers are there, and takes its own time. */
export function waitingWriter(
  { directory }: Pick<Scene, "directory">,
  name: string,
  bytes: number,
): WaitingWriter {
  const command = timedWriter(name, bytes);
  return {
    spec: shellService(name, `${command}; exec sleep 600`, {
      logs: { maxBytes: BigInt(2 * bytes) } as never,
    }),
    begin: () => writeFileSync(join(directory, `${name}.begin`), ""),
    took: () => readTime(directory, name),
  };
}

/** Shell, to be run in the directory of `readTime`. */
export function timedWriter(name: string, bytes: number): string {
  return [
    `until [ -e ${name}.begin ]; do sleep 0.01; done`,
    "begun=$(date +%s%N)",
    `yes ${LINE} | head -c ${bytes}`,
    `echo $(($(date +%s%N) - begun)) > ${name}.part && mv ${name}.part ${name}.took`,
  ].join("; ");
}

export function readTime(directory: string, name: string): Promise<number> {
  const file = join(directory, `${name}.took`);
  return eventually(() => Number(readFileSync(file, "utf8")) / 1e6, {
    timeoutMs: 120_000,
    intervalMs: 5,
  });
}

export function stdoutOf({ server }: Scene, serviceId: string): string {
  return join(server.dataDir, "services", serviceId, "stdout.log");
}
