import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { AdapterEnvMode, ScopeType } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { createRepository, temporaryDirectory } from "../git/fixture.ts";
import { fixture } from "../supervisor/support.ts";
import { startServer } from "../support/server.ts";
import { type SpecInit, shellService } from "../support/workspace.ts";

/** In every secret of this test, so that one search finds any of them. */
const NEEDLE = `hush${process.pid}x`;
const adapterEnv = {
  API_TOKEN: `${NEEDLE}-token`,
  DB_PASSWORD: `${NEEDLE}-password/with?odd&signs`,
  AWS_SECRET_ACCESS_KEY: `${NEEDLE}-key`,
  PLAIN: "not-a-secret",
};
const commandEnv = { DEPLOY_TOKEN: `${NEEDLE}-deploy`, NPM_AUTH: `${NEEDLE}-npm` };

const LISTENER = `exec ${process.execPath} ${fixture("listen.mjs")} $PORT`;
const auto: SpecInit["port"] = { port: { case: "auto", value: {} } };

describe("hazard 38: the values of secret-looking variables", { timeout: 120_000 }, () => {
  it("stand in no row, no line of the server's log, no error and no answer, on any path", async () => {
    const server = await startServer({ args: ["--log-level", "debug"] });
    onTestFinished(() => server.stop());
    const { client } = server;
    const said: string[] = [];
    /** The answer, or the reason of the error; either is kept for the search. */
    const ask = async <T>(call: Promise<T>): Promise<T | string | undefined> => {
      try {
        const answer = await call;
        said.push(inspect(answer, { depth: null, maxStringLength: null }));
        return answer;
      } catch (error) {
        const details = errorDetails(error);
        said.push(inspect([error, details], { depth: null, maxStringLength: null }));
        return details?.reason ?? String(error);
      }
    };

    const realize = (identifier: string, provisionCommand: string) =>
      ask(
        client.realizeWorkspace({
          companyId: "company",
          baseCwd: repository,
          agent: { agentId: "agent", name: "Agent" },
          issue: { issueId: identifier, identifier, title: "work" },
          strategy: { case: "gitWorktree", value: { provisionCommand } },
          commandEnv,
        }),
      );
    const repository = createRepository(temporaryDirectory());
    expect(await realize("BAD-1", 'echo "$DEPLOY_TOKEN" >&2; env; exit 4')).toBe("COMMAND_FAILED");
    const realized = await realize("GOOD-1", 'env; echo "$NPM_AUTH" >&2');
    if (typeof realized !== "object") throw new Error(`not realized: ${realized}`);
    const workspaceId = realized.workspace?.workspaceId ?? "";
    const { operations } = await client.listOperations({ workspaceIds: [workspaceId] });
    // It did print them: the search below is no search for nothing.
    expect(operations.some(({ stdoutExcerpt }) => stdoutExcerpt.includes("DEPLOY_TOKEN="))).toBe(
      true,
    );

    const sees = (name: string, command: string, more: SpecInit = {}): SpecInit =>
      shellService(name, command, {
        reuseScope: ScopeType.EXECUTION_WORKSPACE,
        adapterEnvMode: AdapterEnvMode.ALL,
        env: { STATIC_SECRET: `${NEEDLE}-static` },
        ...more,
      });
    const ensure = (spec: SpecInit, env: Readonly<Record<string, string>> = adapterEnv) =>
      ask(client.ensureServices({ runId: "run", workspaceId, services: [spec], adapterEnv: env }));
    const busy = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void busy.close());
    await new Promise((resolve) => busy.once("listening", resolve));
    const taken = (busy.address() as AddressInfo).port;

    const token = "{{workspace.env.API_TOKEN}}";
    const good = await ensure(
      sees("good", LISTENER, {
        port: auto,
        env: { RENDERED: token, GIVEN: "{{ workspace.env.DB_PASSWORD }}" },
        expose: { urlTemplate: `http://127.0.0.1:{{port}}/?token=${token}` },
      }),
    );
    expect(good).toMatchObject({ services: [{ serviceName: "good" }] });
    const failures: readonly (readonly [string, SpecInit])[] = [
      ["SERVICE_EXITED_EARLY", sees("early", 'env; echo "$API_TOKEN $STATIC_SECRET" >&2; exit 3')],
      [
        "SERVICE_NOT_READY",
        sees("unready", `echo "$DB_PASSWORD"; ${LISTENER}`, {
          port: auto,
          readiness: {
            timeout: { seconds: 1n },
            check: {
              case: "http",
              value: {
                urlTemplate: `http://127.0.0.1:{{port}}/?token=${token}`,
                expectedStatuses: [204],
              },
            },
          },
        }),
      ],
      ["INVALID_TEMPLATE", sees("template", "true", { env: { ALL: "{{workspace.env}}" } })],
      [
        "INVALID_TEMPLATE",
        sees("port-template", "true", { env: { MIXED: `${token} {{ports.none}}` } }),
      ],
      [
        "INVALID_FIELD",
        sees("nowhere", "true", {
          port: auto,
          readiness: { check: { case: "http", value: { urlTemplate: `http://${token}/` } } },
        }),
      ],
      ["INVALID_FIELD", sees("place", "true", { cwd: `no/such/${token}` })],
      ["PORT_IN_USE", sees("taken", LISTENER, { port: { port: { case: "value", value: taken } } })],
    ];
    for (const [reason, spec] of failures) {
      expect(await ensure(spec), spec.name).toBe(reason);
    }
    // More than exec can carry: refused by its size, not by showing it.
    await ensure(sees("huge", "true"), { API_TOKEN: `${NEEDLE}-`.repeat(20_000) });
    const target = { case: "workspaceId" as const, value: workspaceId };
    await ask(
      client.startServices({
        target,
        services: [sees("by-hand", LISTENER, { port: auto })],
        adapterEnv,
      }),
    );
    await ask(client.restartServices({ target, serviceNames: ["by-hand"], force: true }));

    await ask(client.listServices({ pageSize: 500 }));
    await ask(client.listOperations({ pageSize: 500 }));
    await ask(client.listWorkspaces({}));
    await ask(client.listLeases({}));
    await ask(client.getRuntimeInfo({}));
    for await (const update of client.watchStatus({})) {
      said.push(inspect(update, { depth: null, maxStringLength: null }));
      if (update.snapshotComplete) break;
    }

    // What processes printed is theirs; their environments lie in files for their owner alone.
    const theirs = /\.log$|\/launch\.json$|\/instances\/\d+\/|\/process\//;
    const holding = () => filesHolding(NEEDLE, server.dataDir);
    expect(holding().filter((name) => theirs.test(name)).length).toBeGreaterThan(0);
    expect(holding().filter((name) => !theirs.test(name))).toEqual([]);
    expect(said.filter((text) => text.includes(NEEDLE))).toEqual([]);
    expect(server.stderr()).not.toContain(NEEDLE);
    expect(said.join()).toContain("[secret]");

    await ask(client.stopServices({ target, force: true, gracePeriod: {} }));
    expect(said.filter((text) => text.includes(NEEDLE))).toEqual([]);
  });
});

function filesHolding(text: string, directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => {
    const path = join(directory, name);
    try {
      return statSync(path).isFile() && readFileSync(path).includes(text);
    } catch {
      return false; // of a service that has just ended
    }
  });
}
