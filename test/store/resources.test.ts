import { describe, expect, it } from "vitest";
import { databases } from "../support/databases.ts";
import { newOperation, newProjectWorkspace, newService, newWorkspace } from "./new-records.ts";
import { useStore } from "./use-store.ts";

describe.each(databases)("resources on $name", (database) => {
  const fixture = useStore(database);

  it("gives back a workspace as it was written, every field of it", async () => {
    const { store, clock } = fixture();
    const full = newWorkspace({
      issue: { issueId: "i1", identifier: "ABC-1", title: 'Umläute, "quotes", 日本語' },
      agent: { agentId: "a1", name: "Ada" },
      gitWorktree: { branchTemplate: "{{slug}}", fetchBase: true, copyFiles: [".env"] },
      runtimeConfig: { services: [{ name: "web", env: { A: "1" } }] },
      desiredState: "MANUAL",
      serviceStates: { web: "STOPPED" },
      labels: { team: "blue", "with.dot": "x" },
      warnings: ["one", "two"],
      provisionPending: true,
      cleanupTime: 12,
    });
    const { record, inserted } = await store.workspaces.insert(full);
    expect(inserted).toBe(true);
    const now = clock.now();
    const given = {
      createTime: now,
      updateTime: now,
      lastUsedTime: now,
      nodeId: "n1",
      revision: 1,
    };
    expect(record).toEqual({ ...full, ...given });
    expect(await store.workspaces.get("w1")).toStrictEqual(record);
  });

  it("gives back a workspace without its optional fields", async () => {
    const { store } = fixture();
    const { record } = await store.workspaces.insert(newWorkspace());
    expect(await store.workspaces.get("w1")).toStrictEqual(record);
    expect(record).not.toHaveProperty("issue");
  });

  it("gives back a service as it was written, every field of it", async () => {
    const { store } = fixture();
    const { record } = await store.services.insert(
      newService({
        stateReason: "EXITED",
        port: 3100,
        ports: { web: 3100, debug: 9229 },
        stopPolicy: { kind: "idle_timeout", idleMs: 5 },
        exit: { code: 3, exitTime: 7 },
        startTime: 1,
        readyTime: 2,
        stopTime: 3,
        diagnosis: { reason: "HTTP_STATUS", outputTail: "nul \0 and \u001b[31m" },
        spec: { name: "web", process: { kind: "argv", args: ["a", "b"] } },
      }),
    );
    expect(await store.services.get("s1")).toStrictEqual(record);
  });

  it("gives back an operation and a project workspace as they were written", async () => {
    const { store } = fixture();
    const operation = await store.operations.insert(
      newOperation({
        actor: { runId: "r1", userId: "u1", agent: { agentId: "a1", name: "Ada" } },
        serviceIds: ["s1", "s2"],
        exitCode: 0,
        metadata: { created: true, nested: { list: [1, null, "x"] } },
        stdoutBytes: 2 ** 40,
        endTime: 9,
      }),
    );
    expect(await store.operations.get("o1")).toStrictEqual(operation);
    const { record } = await store.projectWorkspaces.insert(
      newProjectWorkspace({ desiredState: "RUNNING", runtimeConfig: { services: [] } }),
    );
    expect(await store.projectWorkspaces.get("pw1")).toStrictEqual(record);
  });

  it("keeps an excerpt that holds NUL", async () => {
    const { store } = fixture();
    await store.operations.insert(newOperation({ stdoutExcerpt: "a\0b" }));
    const stored = await store.operations.get("o1");
    expect(stored?.stdoutExcerpt).toMatch(/^a[\0\uFFFD]b$/);
  });

  it("changes the fields given, clears those given as undefined, and moves update time", async () => {
    const { store, clock } = fixture();
    await store.services.insert(newService({ stateReason: "EXITED", port: 1 }));
    clock.advance(10);
    const changed = await store.services.update("s1", { state: "FAILED", stateReason: undefined });
    expect(changed).toMatchObject({ state: "FAILED", port: 1, revision: 2 });
    expect(changed).not.toHaveProperty("stateReason");
    expect(changed?.updateTime).toBe((changed?.createTime ?? 0) + 10);
    expect(await store.services.get("s1")).toStrictEqual(changed);
  });

  it("makes no revision of content that is equal", async () => {
    const { store, clock, commits } = fixture();
    const { record } = await store.workspaces.insert(newWorkspace({ labels: { a: "1" } }));
    clock.advance(10);
    const same = await store.workspaces.update("w1", { labels: { a: "1" }, state: "ACTIVE" });
    expect(same).toStrictEqual(record);
    expect(commits).toHaveLength(1);
    expect(await store.changes.revision()).toBe(1);
  });

  it("answers undefined where there is no such row", async () => {
    const { store } = fixture();
    expect(await store.workspaces.get("none")).toBeUndefined();
    expect(await store.workspaces.update("none", { name: "x" })).toBeUndefined();
    expect(await store.services.delete("none")).toBeUndefined();
    expect(await store.changes.revision()).toBe(0);
  });

  it("updates a service only from the states expected", async () => {
    const { store } = fixture();
    await store.services.insert(newService({ state: "STOPPED" }));
    const starting = { states: ["STARTING", "RUNNING"] } as const;
    expect(await store.services.update("s1", { health: "HEALTHY" }, starting)).toBeUndefined();
    const stopped = { states: ["STOPPED"] } as const;
    expect(await store.services.update("s1", { health: "UNKNOWN" }, stopped)).toBeDefined();
  });

  it("tells a deletion with the last state", async () => {
    const { store, commits } = fixture();
    const { record } = await store.workspaces.insert(newWorkspace());
    expect(await store.workspaces.delete("w1")).toStrictEqual(record);
    expect(await store.workspaces.get("w1")).toBeUndefined();
    expect(commits.at(-1)).toMatchObject({ type: "DELETED", revision: 2, resource: record });
  });
});
