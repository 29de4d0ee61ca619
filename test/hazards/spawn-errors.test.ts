import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

interface Scene {
  readonly server: TestServer;
  readonly workspace: TestWorkspace;
  ensure(spec: SpecInit): Promise<ReturnType<typeof errorDetails> | undefined>;
}

async function scene(args: readonly string[] = []): Promise<Scene> {
  const server = await startServer({ args });
  onTestFinished(() => server.stop());
  const workspace = await realizePrimary(server);
  onTestFinished(() => workspace.remove());
  const { workspaceId } = workspace;
  const ensure = (spec: SpecInit) =>
    server.client.ensureServices({ runId: "run", workspaceId, services: [spec] }).then(
      () => undefined,
      (reason: unknown) => errorDetails(reason),
    );
  return { server, workspace, ensure };
}

const well = shellService("well", "exec sleep 600");
const argv = (name: string, ...args: string[]): SpecInit => ({
  name,
  process: { case: "argv", value: { args } },
});

describe("hazard 1: commands that cannot be spawned", () => {
  it("name what is missing or closed, leave a FAILED row, and do not harm the server", async () => {
    const { server, workspace, ensure } = await scene();
    const script = join(workspace.cwd, "script");
    writeFileSync(script, "#!/bin/sh\nsleep 600\n");
    chmodSync(script, 0o644);
    const interpreted = join(workspace.cwd, "interpreted");
    writeFileSync(interpreted, "#!/nowhere/perl\n");
    chmodSync(interpreted, 0o755);
    const cases: [SpecInit, RegExp][] = [
      [{ ...well, name: "cwd", cwd: "gone" }, /working directory .*gone.*does not exist/],
      [{ ...well, name: "file-as-cwd", cwd: "script" }, /script.* is not a directory/],
      [argv("program", "/nowhere/program"), /\/nowhere\/program: it does not exist/],
      [argv("closed", script), /script: permission denied/],
    ];
    for (const [spec, words] of cases) {
      const error = await ensure(spec);
      expect(error?.reason).toBe("SPAWN_FAILED");
      expect(error?.failures[0]?.message).toMatch(words);
      const serviceId = error?.failures[0]?.serviceId ?? "";
      const { service } = await server.client.getService({ serviceId });
      expect(service).toMatchObject({ state: ServiceState.FAILED, providerRef: "" });
      expect(service?.stateMessage).toMatch(words);
    }
    // Only the kernel knows that the interpreter is missing: the shell's own words tell it then.
    const error = await ensure(argv("interpreter", interpreted));
    expect(error?.failures[0]).toMatchObject({ exit: { code: 127 } });
    expect(error?.failures[0]?.diagnosis?.outputTail).toContain("interpreted");
    expect(await ensure(well)).toBeUndefined();
  });

  it("name a shell that is not there, and argv goes on without it", async () => {
    const { ensure } = await scene(["--shell", "/nowhere/sh"]);
    const error = await ensure(well);
    expect(error).toMatchObject({ reason: "SPAWN_FAILED", metadata: { path: "/nowhere/sh" } });
    expect(error?.failures[0]?.message).toContain("/nowhere/sh: it does not exist");
    expect(await ensure(argv("without", "/bin/sleep", "600"))).toBeUndefined();
  });

  it("say that there are no more processes, and start when there are again", async () => {
    const { server, ensure } = await scene();
    const bound = boundProcesses(server.pid);
    if (bound === undefined) {
      console.log("skip: no pids controller that this test may use");
      return;
    }
    onTestFinished(() => bound.remove());
    bound.limit("now");
    const error = await ensure(well);
    expect(error?.reason).toBe("SPAWN_FAILED");
    expect(error?.failures[0]?.message).toContain("EAGAIN");
    bound.limit("max");
    expect(await ensure(well)).toBeUndefined();
  });
});

/** Bounds a server to the processes that it has, which a limit of users would not do to root. */
function boundProcesses(pid: number) {
  const root = "/sys/fs/cgroup/pids";
  if (!existsSync(join(root, "cgroup.procs"))) return undefined;
  const directory = join(root, `wsrt-${pid}`);
  try {
    mkdirSync(directory);
    writeFileSync(join(directory, "cgroup.procs"), String(pid));
  } catch {
    return undefined;
  }
  const limit = (value: string) => writeFileSync(join(directory, "pids.max"), value);
  return {
    limit: (to: "now" | "max") =>
      limit(to === "max" ? "max" : readFileSync(join(directory, "pids.current"), "utf8").trim()),
    remove() {
      limit("max");
      for (const member of readFileSync(join(directory, "cgroup.procs"), "utf8").split("\n")) {
        if (member !== "") writeFileSync(join(root, "cgroup.procs"), member);
      }
      rmdirSync(directory);
    },
  };
}
