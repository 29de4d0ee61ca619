import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { GapReason, type LogGap } from "../../gen/workspace/runtime/v1/log_pb.ts";
import { type Service, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { WorkspaceState } from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { commitFile, createRepository, git, temporaryDirectory } from "../git/fixture.ts";
import { mountTmpfs } from "../supervisor/support.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive, realizePrimary, shellService, type TestWorkspace } from "../support/workspace.ts";

const MIB = 1024 * 1024;

/** Only a small disk of its own is ever filled. */
const mayMount = (() => {
  const path = mkdtempSync(join(tmpdir(), "wsrt-mount-"));
  const unmount = mountTmpfs(path, MIB);
  unmount?.();
  rmdirSync(path);
  return unmount !== undefined;
})();

describe.runIf(mayMount)("hazard 36: a full disk", { timeout: 120_000 }, () => {
  it("under the worktree: told, no half a worktree, and made when there is space", async () => {
    const { directory, repo, server } = await start();
    commitFile(repo, "large", "x".repeat(6 * MIB));
    const trees = disk(join(directory, "trees"), 16 * MIB);
    trees.fill(MIB);
    const before = git(repo, "worktree", "list");
    const error = await realize(server, repo, trees.path).catch(errorDetails);
    expect(error).toMatchObject({ reason: "COMMAND_FAILED" });
    expect(git(repo, "worktree", "list")).toBe(before);
    const { workspaces } = await server.client.listWorkspaces({});
    expect(workspaces).toMatchObject([{ state: WorkspaceState.FAILED, directoryCreated: false }]);
    const { operations } = await server.client.listOperations({});
    expect(operations.at(-1)?.stderrExcerpt).toMatch(/No space left|unable to write/);
    trees.free();
    await expectRealized(server, repo, trees.path);
  });

  it.each([0, 16, 48, 128, 256])(
    "under the server, %d KiB left: told, it stays up, and goes on when there is space",
    async (kibibytes) => {
      const { directory, repo, server, data } = await start(24 * MIB);
      const trees = join(directory, "trees");
      mkdirSync(trees);
      const { workspace: older } = await realize(server, repo, trees, "older");
      data.fill(kibibytes * 1024);
      const error = await realize(server, repo, trees).then(() => undefined, errorDetails);
      expect([undefined, "STORAGE_FULL", "COMMAND_FAILED", "SPAWN_FAILED"]).toContain(
        error?.reason,
      );
      if (kibibytes === 0) expect(error).toMatchObject({ reason: "STORAGE_FULL" });
      // What it knows it still says.
      const { workspace } = await server.client.getWorkspace({
        workspaceId: older?.workspaceId ?? "",
      });
      expect(workspace?.state).toBe(WorkspaceState.ACTIVE);
      expect(server.stderr()).not.toContain("unhandled");
      data.free();
      await expectRealized(server, repo, trees);
      expect(git(repo, "worktree", "list").split("\n")).toHaveLength(3);
      expect((await server.client.listWorkspaces({})).workspaces).toHaveLength(2);
      await expectAllOver(server);
    },
  );

  it("while a command logs: it runs to its end, and what was lost is told", async () => {
    const { directory, repo, server, data } = await start(24 * MIB);
    const trees = join(directory, "trees");
    mkdirSync(trees);
    const [go, done] = [join(directory, "go"), join(directory, "done")];
    const provisionCommand = `while ! [ -e '${go}' ]; do sleep 0.01; done; yes | head -c ${8 * MIB}; echo done >'${done}'`;
    const realizing = realize(server, repo, trees, "log", provisionCommand);
    const outcome = realizing.then(() => undefined, errorDetails);
    data.fill(2 * MIB);
    writeFileSync(go, "");
    await eventually(() => readIfThere(done) === "done\n", { timeoutMs: 30_000 });
    data.free();
    expect([undefined, "STORAGE_FULL"]).toContain((await outcome)?.reason);
    await expectRealized(server, repo, trees, "log");
    await expectAllOver(server);
  });
});

describe.runIf(mayMount)(
  "hazard 36: a disk that runs full under services",
  { timeout: 180_000 },
  () => {
    it("takes the oldest logs first, tells the gap, and leaves what is written now", async () => {
      const { server, workspace, disk } = await startService(64 * MIB);
      const spoken = (name: string, mebibytes: number) =>
        ensureOne(
          server,
          workspace,
          name,
          `yes ${name} | head -c ${mebibytes * MIB}; echo last-of-${name}; exec sleep 600`,
        );
      const oldest = await spoken("oldest", 12);
      await logged(server, oldest, "last-of-oldest");
      const newest = await spoken("newest", 12);
      await logged(server, newest, "last-of-newest");
      expect(await firstOf(server, newest)).toBeUndefined();
      // Under an eighth of the disk: so much is to be made free, and the oldest log has it.
      disk.fill(4 * MIB);
      await eventually(async () => (await firstOf(server, oldest)) !== undefined, {
        timeoutMs: 20_000,
      });
      await eventually(() => disk.freeBytes() >= 8 * MIB, { timeoutMs: 20_000 });
      const gap = await firstOf(server, oldest);
      expect(gap?.reason).toBe(GapReason.TRIMMED);
      expect(Number(gap?.bytes)).toBeGreaterThan(8 * MIB);
      expect(await firstOf(server, newest)).toBeUndefined();
      await logged(server, oldest, "last-of-oldest");
    });

    it("neither ends nor holds up a service that goes on writing; what was lost is told, and logging goes on", async () => {
      const { server, workspace, disk } = await startService(24 * MIB);
      const beat = join(workspace.cwd, "beat");
      const chatty = await ensureOne(
        server,
        workspace,
        "chatty",
        [
          "i=0; while :; do i=$((i+1))",
          `echo $i >'${beat}'`,
          "printf '%01000d\\n' $i",
          `if [ -e '${beat}.burst' ]; then rm '${beat}.burst'; yes burst | head -c ${8 * MIB}; fi`,
          `if [ -e '${beat}.end' ]; then exit 7; fi`,
          "sleep 0.001; done",
        ].join("; "),
      );
      const beats = () => Number(readIfThere(beat));
      await eventually(() => beats() > 50, { timeoutMs: 20_000 });
      disk.fill(0);
      // More than trimming its own log makes room for.
      writeFileSync(`${beat}.burst`, "");
      await eventually(() => !existsSync(`${beat}.burst`), { timeoutMs: 20_000 });
      const then = beats();
      await eventually(() => beats() > then + 50, { timeoutMs: 60_000 });
      // What is known is still said; what needs the disk is refused, and nothing of it is there.
      const starting = ensureOne(server, workspace, "never", "exec sleep 600");
      const error = await starting.then(() => undefined, errorDetails);
      expect(error).toMatchObject({ status: "RESOURCE_EXHAUSTED", reason: "STORAGE_FULL" });
      expect(error?.retryAfterMs).toBeGreaterThan(0);
      expect(await stateOf(server, chatty)).toBe(ServiceState.RUNNING);
      // It ends while nothing can be written.
      writeFileSync(`${beat}.end`, "");
      await eventually(() => !isAlive(Number(chatty.providerRef)), { timeoutMs: 20_000 });
      disk.free();
      await eventually(async () => (await stateOf(server, chatty)) === ServiceState.FAILED, {
        timeoutMs: 30_000,
      });
      const { service } = await server.client.getService({ serviceId: chatty.serviceId });
      expect(service?.exit?.code).toBe(7);
      await eventually(
        async () => (await gapsOf(server, chatty)).some(({ reason }) => reason === GapReason.LOST),
        { timeoutMs: 20_000, intervalMs: 50 },
      );
      await ensureOne(server, workspace, "after", "exec sleep 600");
      expect(server.stderr()).not.toContain("unhandled");
    });

    it("still stops what lives, with proof", async () => {
      const { server, workspace, disk } = await startService(24 * MIB);
      const service = await ensureOne(server, workspace, "steady", "exec sleep 600");
      disk.fill(0);
      const target = { case: "serviceId", value: service.serviceId } as const;
      const outcome = await server.client.stopServices({ target, force: true }).then(
        ({ stopped }) => stopped[0]?.survivors,
        (error) => errorDetails(error).reason,
      );
      // Refused as a whole, or done: never half.
      if (outcome === "STORAGE_FULL") expect(isAlive(Number(service.providerRef))).toBe(true);
      else {
        expect(outcome).toEqual([]);
        expect(isAlive(Number(service.providerRef))).toBe(false);
      }
      disk.free();
      await server.client.stopServices({ target, force: true });
      expect(isAlive(Number(service.providerRef))).toBe(false);
      expect(await stateOf(server, service)).toBe(ServiceState.STOPPED);
    });
  },
);

async function startService(dataBytes: number) {
  const { server, data } = await start(dataBytes);
  const workspace = await realizePrimary(server);
  onTestFinished(() => workspace.remove());
  return { server, workspace, disk: data };
}

async function ensureOne(
  { client }: TestServer,
  { workspaceId }: TestWorkspace,
  name: string,
  command: string,
): Promise<Service> {
  const services = [shellService(name, command)];
  const answer = await client.ensureServices({ runId: "run", workspaceId, services });
  if (answer.services[0] === undefined) throw new Error("no service in the answer");
  return answer.services[0];
}

async function stateOf({ client }: TestServer, { serviceId }: Service) {
  return (await client.getService({ serviceId })).service?.state;
}

/** The last line of its log comes to be this one. */
async function logged({ client }: TestServer, { serviceId }: Service, text: string): Promise<void> {
  await eventually(
    async () => {
      const source = { case: "serviceId", value: serviceId } as const;
      const { chunks } = await client.readLogs({ source, start: { case: "tailLines", value: 1 } });
      return chunks
        .map(({ content }) => content.value)
        .join("")
        .includes(text);
    },
    { timeoutMs: 30_000, intervalMs: 50 },
  );
}

/** The gap with which its log begins. */
async function firstOf({ client }: TestServer, { serviceId }: Service) {
  const source = { case: "serviceId", value: serviceId } as const;
  return (await client.readLogs({ source, maxBytes: 1_000 })).gap;
}

async function gapsOf({ client }: TestServer, { serviceId }: Service): Promise<LogGap[]> {
  const gaps: LogGap[] = [];
  const source = { case: "serviceId", value: serviceId } as const;
  for await (const { event } of client.streamLogs({ source, follow: true })) {
    if (event.case === "gap") gaps.push(event.value);
  }
  return gaps;
}

async function start(dataBytes = 64 * MIB) {
  const directory = temporaryDirectory();
  const repo = createRepository(join(directory, "repo"));
  const data = disk(join(directory, "data"), dataBytes);
  const server = await startServer({ dataDir: data.path });
  onTestFinished(() => {
    data.free();
    return server.stop();
  });
  return { directory, repo, server, data };
}

function disk(path: string, bytes: number) {
  mkdirSync(path);
  const unmount = mountTmpfs(path, bytes);
  if (unmount === undefined) throw new Error("nothing was mounted");
  onTestFinished(unmount);
  const filler = join(path, "filler");
  return {
    path,
    /** Leaves so many bytes; others may be quicker to take what is left. */
    fill(left: number) {
      const { bavail, bsize } = statfsSync(path);
      try {
        writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - left)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    },
    free() {
      rmSync(filler, { force: true });
    },
    freeBytes() {
      const { bavail, bsize } = statfsSync(path);
      return bavail * bsize;
    },
  };
}

async function realize(
  server: TestServer,
  repo: string,
  worktreeParentDir: string,
  branchTemplate = "full",
  provisionCommand = "",
) {
  return await server.client.realizeWorkspace({
    companyId: "company",
    baseCwd: repo,
    agent: { agentId: "agent", name: "Agent" },
    issue: { issueId: branchTemplate, identifier: "PAP-1", title: "Full" },
    strategy: {
      case: "gitWorktree",
      value: { worktreeParentDir, branchTemplate, provisionCommand },
    },
  });
}

async function expectRealized(
  server: TestServer,
  repo: string,
  parent: string,
  branch = "full",
): Promise<void> {
  const { workspace } = await realize(server, repo, parent, branch, "true");
  expect(workspace?.state).toBe(WorkspaceState.ACTIVE);
  expect(git(join(parent, branch), "status", "--porcelain")).toBe("");
}

/** What could not be written then is written by now, or soon. */
async function expectAllOver({ client }: TestServer): Promise<void> {
  await eventually(async () => {
    const { operations } = await client.listOperations({});
    return operations.every(({ endTime }) => endTime !== undefined);
  });
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
