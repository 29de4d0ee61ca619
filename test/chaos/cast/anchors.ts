import { connect, type Socket } from "node:net";
import type { Service } from "../../../gen/workspace/runtime/v1/service_pb.ts";
import { answering } from "../catalogue.ts";
import { type Role, remember, type Stage } from "../stage.ts";

/** Services that someone uses from the first moment to the last: by connections that must never drop. */
export interface Anchors {
  readonly services: readonly Service[];
  /** Asks each over its one connection; resolves when all have answered as the process that they began with. */
  ping(): Promise<void>;
  close(): void;
}

const COUNT = 3;
const ANSWER_MS = 60_000;

export async function createAnchors(stage: Stage, role: Role): Promise<Anchors> {
  const runId = "anchors";
  stage.ledger.runs.set(runId, "open");
  const realized = await role.call("realize the anchors' place", () =>
    role.client.realizeWorkspace({
      companyId: "anchors",
      baseCwd: stage.scene.plain,
      agent: { agentId: "agent", name: "Agent" },
    }),
  );
  const workspaceId = realized?.workspace?.workspaceId ?? "";
  const names = Array.from({ length: COUNT }, (_, index) => `anchor-${index}`);
  const ensured = await role.call("ensure the anchors", () =>
    role.client.ensureServices({
      runId,
      workspaceId,
      services: names.map((name) => answering(name)),
    }),
  );
  const services = ensured?.services ?? [];
  remember(stage, services);
  const lines = await Promise.all(services.map((service) => openLine(stage, service)));
  return {
    services,
    async ping() {
      await Promise.all(lines.map((line) => line.ping()));
    },
    close() {
      for (const line of lines) line.close();
    },
  };
}

async function openLine(stage: Stage, { serviceName, providerRef, port }: Service) {
  const socket: Socket = connect(port ?? 0, "127.0.0.1");
  let heard = "";
  let onLine = (_line: string) => {};
  let isClosed = false;
  let number = 0;
  socket.setEncoding("utf8").on("data", (text: string) => {
    heard += text;
    for (let end = heard.indexOf("\n"); end >= 0; end = heard.indexOf("\n")) {
      onLine(heard.slice(0, end));
      heard = heard.slice(end + 1);
    }
  });
  const onDrop = (error?: Error) => {
    if (!isClosed)
      stage.fail(new Error(`the connection to ${serviceName} dropped`, { cause: error }));
  };
  socket.on("error", onDrop).on("close", () => onDrop());
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return {
    async ping() {
      const expected = `${providerRef} ${++number}`;
      const answered = new Promise<string>((resolve, reject) => {
        onLine = resolve;
        setTimeout(() => reject(new Error(`${serviceName} gave no answer`)), ANSWER_MS).unref();
      });
      socket.write(`${number}\n`);
      const answer = await answered;
      if (answer !== expected) throw new Error(`${serviceName} said ${answer}, not ${expected}`);
      stage.figures.add("pings");
    },
    close() {
      isClosed = true;
      socket.destroy();
    },
  };
}
