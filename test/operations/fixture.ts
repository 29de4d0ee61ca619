import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createSystemClock } from "../../src/clock.ts";
import { createFailpoints } from "../../src/failpoints.ts";
import { createLogs } from "../../src/logs/logs.ts";
import { createOperations } from "../../src/operations/manager.ts";
import { createCommandRunner } from "../../src/operations/run-command.ts";
import { openStore } from "../../src/store/store.ts";
import { punchHole } from "../../src/supervisor/punch-hole.ts";
import { createSupervisor } from "../../src/supervisor/supervisor.ts";
import { gitTestEnvironment, temporaryDirectory } from "../git/fixture.ts";

/** Real operations on a SQLite store of their own; all of it closed and removed when the test ends. */
export async function startOperations(failpoints = createFailpoints()) {
  const dataDir = temporaryDirectory();
  const clock = createSystemClock();
  const store = await openStore({
    database: { kind: "sqlite", path: join(dataDir, "store.db") },
    nodeId: "node-1",
    clock,
  });
  const logs = createLogs({ clock, punchHole });
  const supervisor = await createSupervisor({
    installationId: "installation-of-a-test",
    runtimeDirectory: join(dataDir, "runtime"),
    clock,
  });
  const directory = join(dataDir, "operations");
  const runner = createCommandRunner({
    ...{ supervisor, logs, clock, failpoints, directory },
    shell: "/bin/sh",
  });
  const operations = createOperations({ store, clock, runner, failpoints });
  onTestFinished(async () => {
    await supervisor.close();
    await logs.close();
    await store.close();
  });
  return { dataDir, clock, store, logs, supervisor, operations, directory };
}

/** A command line of company "c" in a temporary directory; give what the test is about. */
export function commandRequest(command: string, cwd: string, more: object = {}) {
  return {
    phase: "WORKSPACE_PROVISION" as const,
    command,
    process: { kind: "command" as const, command },
    message: "Done",
    cwd,
    companyId: "c",
    metadata: {},
    env: gitTestEnvironment(),
    ...more,
  };
}
