import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDataDirectory } from "../../src/store/data-directory.ts";
import { networkFileSystem } from "../../src/store/file-system-type.ts";

describe("the data directory", () => {
  let parent: string;
  let path: string;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), "wr-data-"));
    path = join(parent, "state", "workspace-runtime");
  });
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  it("is made for its owner alone, and so is every file in it", () => {
    const directory = openDataDirectory(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    const files = readdirSync(path);
    expect(files.sort()).toEqual(["installation-id", "lock", "server.pid"]);
    for (const file of files) expect(statSync(join(path, file)).mode & 0o777).toBe(0o600);
    directory.release();
  });

  it("closes one that others could enter", () => {
    openDataDirectory(path).release();
    chmodSync(path, 0o755);
    openDataDirectory(path).release();
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it("keeps its installation id, and another has another", () => {
    const first = openDataDirectory(path);
    first.release();
    const second = openDataDirectory(path);
    expect(second.installationId).toBe(first.installationId);
    second.release();
    const other = openDataDirectory(join(parent, "other"));
    expect(other.installationId).not.toBe(first.installationId);
    other.release();
  });

  it.each(["", "not an id\n", "\0".repeat(36)])(
    "refuses a damaged installation id (%j) and leaves it as it is",
    (damaged) => {
      openDataDirectory(path).release();
      const file = join(path, "installation-id");
      writeFileSync(file, damaged);
      expect(() => openDataDirectory(path)).toThrow(`${file} is damaged`);
      expect(readFileSync(file, "utf8")).toBe(damaged);
      rmSync(file);
      openDataDirectory(path).release();
    },
  );

  it("says what to do about a path that cannot be a directory", () => {
    writeFileSync(join(parent, "state"), "a file");
    expect(() => openDataDirectory(path)).toThrow(/Cannot use .* as data directory: .*--data-dir/);
  });

  it("can be taken again in the process that released it, and by none before", () => {
    const first = openDataDirectory(path);
    expect(() => openDataDirectory(path)).toThrow(`Another server (pid ${process.pid})`);
    // A refused try must not have loosened the lock that stands.
    expect(() => openDataDirectory(path)).toThrow(`Another server (pid ${process.pid})`);
    first.release();
    first.release();
    openDataDirectory(path).release();
  });

  it("is not held by a child that outlives the server", async () => {
    const directory = openDataDirectory(path);
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    await once(child, "spawn");
    directory.release();
    openDataDirectory(path).release();
    child.kill("SIGKILL");
    await once(child, "exit");
  });

  it("knows a network file system by its type", () => {
    expect(networkFileSystem(0x6969)).toBe("NFS");
    expect(networkFileSystem(0xff534d42)).toBe("CIFS");
    expect(networkFileSystem(0xff534d42 | 0)).toBe("CIFS");
    expect(networkFileSystem(0xef53)).toBeUndefined();
    expect(networkFileSystem(0x01021994)).toBeUndefined();
  });
});
