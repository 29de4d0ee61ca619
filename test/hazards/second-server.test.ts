import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDataDirectory } from "../../src/store/data-directory.ts";

const program = join(import.meta.dirname, "../fixtures/store/hold-data-directory.ts");

interface Holder {
  readonly child: ChildProcess;
  readonly installationId: string;
  /** The next line on its standard output. */
  nextLine(): Promise<string>;
}

describe("a second server on one data directory", () => {
  let path: string;
  const children: ChildProcess[] = [];
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), "wr-second-"));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await kill(child);
    rmSync(path, { recursive: true, force: true });
  });

  it("is refused with the pid of the first and what to do", async () => {
    const first = await hold();
    expect(() => openDataDirectory(path)).toThrow(
      `Another server (pid ${first.child.pid}) uses the data directory ${path}. Stop it first, or choose another directory with --data-dir.`,
    );
    expect(() => openDataDirectory(path)).toThrow(
      expect.objectContaining({
        reason: "STORE_UNAVAILABLE",
        metadata: { path, pid: String(first.child.pid) },
      }),
    );
  });

  it("is let in at once after the first was killed, with the same installation", async () => {
    const first = await hold();
    await kill(first.child);
    const second = openDataDirectory(path);
    expect(second.installationId).toBe(first.installationId);
    second.release();
  });

  it("stays out however long the first runs, though nothing there mentions the lock", async () => {
    const first = await hold("--expose-gc");
    for (let index = 0; index < 3; index++) {
      first.child.stdin?.write("collect\n");
      await first.nextLine();
      expect(() => openDataDirectory(path)).toThrow(`pid ${first.child.pid}`);
    }
  });

  it("is one of many that start at once: exactly one gets in", async () => {
    const starts = await Promise.allSettled(Array.from({ length: 4 }, () => hold()));
    expect(starts.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const start of starts) {
      if (start.status === "rejected") expect(String(start.reason)).toContain("Another server");
    }
  });

  /** Another process that holds the directory; rejects with what it said when it could not. */
  async function hold(...nodeOptions: string[]): Promise<Holder> {
    const child = spawn(process.execPath, [...nodeOptions, program, path]);
    children.push(child);
    let complaint = "";
    child.stderr.on("data", (data) => {
      complaint += data;
    });
    const closed = once(child, "close");
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const nextLine = async () => {
      const { value, done } = await lines.next();
      if (done) throw await closed.then(() => new Error(complaint));
      return String(value);
    };
    return { child, nextLine, installationId: await nextLine() };
  }

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
});
