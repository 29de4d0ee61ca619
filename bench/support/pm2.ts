import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** PM2 under a home of its own, as far as it is measured beside. */
export interface Pm2 {
  readonly daemonPid: number;
  /** Resolves when PM2 says that it is online. */
  start(name: string, shellLine: string): Promise<void>;
  stop(name: string): Promise<void>;
  /** Calls `take` with the text of each output event until the returned function is called. */
  onOutput(take: (text: string, name: string) => void): Promise<() => void>;
}

/** `missing` says what to do where it is not installed: it is a dependency of the bench alone. */
export async function withPm2<T>(use: (pm2: Pm2) => Promise<T>): Promise<T | MissingPm2> {
  const home = mkdtempSync(join(tmpdir(), "bench-pm2-"));
  process.env.PM2_HOME = home;
  let library: Library;
  try {
    library = createRequire(import.meta.url)("pm2");
  } catch {
    rmSync(home, { recursive: true, force: true });
    return { missing: "not installed: npm ci --prefix bench --ignore-scripts" };
  }
  const call = <R>(run: (done: (error: Error | null, result?: R) => void) => void): Promise<R> =>
    new Promise((resolve, reject) => {
      run((error, result) => (error ? reject(error) : resolve(result as R)));
    });
  try {
    await call((done) => library.connect(done));
    return await use({
      daemonPid: Number(readFileSync(join(home, "pm2.pid"), "utf8")),
      async start(name, shellLine) {
        const app = { name, script: "/bin/sh", args: ["-c", shellLine], interpreter: "none" };
        await call((done) => library.start({ ...app, autorestart: false }, done));
      },
      async stop(name) {
        await call((done) => library.delete(name, done));
      },
      async onOutput(take) {
        const bus = await call<Bus>((done) => library.launchBus(done));
        const listen = (event: OutputEvent) => take(event.data, event.process.name);
        bus.on("log:out", listen);
        return () => bus.off("log:out", listen);
      },
    });
  } finally {
    // Else it tries to reach the daemon for ever, and this process never ends.
    await new Promise<void>((resolve) => library.Client.disconnectBus(() => resolve()));
    await call((done) => library.killDaemon(done));
    library.disconnect();
    rmSync(home, { recursive: true, force: true });
  }
}

export interface MissingPm2 {
  readonly missing: string;
}

export function isMissing(result: unknown): result is MissingPm2 {
  return typeof result === "object" && result !== null && "missing" in result;
}

interface OutputEvent {
  readonly data: string;
  readonly process: { readonly name: string };
}

interface Bus {
  on(event: string, listen: (event: OutputEvent) => void): void;
  off(event: string, listen: (event: OutputEvent) => void): void;
}

type Done = (error: Error | null, result?: never) => void;

interface Library {
  connect(done: Done): void;
  start(app: object, done: Done): void;
  delete(name: string, done: Done): void;
  launchBus(done: (error: Error | null, bus?: never) => void): void;
  readonly Client: { disconnectBus(done: () => void): void };
  killDaemon(done: Done): void;
  disconnect(): void;
}
