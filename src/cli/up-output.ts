import { toJson } from "@bufbuild/protobuf";
import {
  createLineSplitter,
  type EnsureServicesResponse,
  EnsureServicesResponseSchema,
  type LogLine,
  LogStream,
  type ReleaseRunResponse,
  ReleaseRunResponseSchema,
  type Service,
  ServiceSchema,
  ServiceState,
  type StreamLogsResponse,
  type Workspace,
  WorkspaceSchema,
} from "../client/index.ts";
import { LIVE_STATES } from "./find-service.ts";
import { lineAsJson } from "./logs.ts";
import { told } from "./stop.ts";
import { styled, writeLine } from "./terminal.ts";
import { stateOf } from "./words.ts";

/** What `up` shows while it works: for people, or one line of JSON for each event. */
export interface UpOutput {
  note(text: string): Promise<void>;
  workspace(workspace: Workspace): Promise<void>;
  service(service: Service): Promise<void>;
  ready(answer: EnsureServicesResponse): Promise<void>;
  /** Made for each source of lines; `flush` says what is left without a newline. */
  lines(name: string): { push(message: StreamLogsResponse): Promise<void>; flush(): Promise<void> };
  released(answer: ReleaseRunResponse): Promise<void>;
}

const COLOURS = ["cyan", "magenta", "yellow", "green", "blue"] as const;

export function createUpOutput(json: boolean, names: readonly string[]): UpOutput {
  const event = (type: string, facts: object) =>
    writeLine(JSON.stringify({ event: type, ...facts }));
  const splitting = (show: (line: LogLine) => Promise<void>) => () => {
    const splitter = createLineSplitter();
    const all = async (lines: LogLine[]) => {
      for (const line of lines) await show(line);
    };
    return {
      push: (message: StreamLogsResponse) => all(splitter.push(message)),
      flush: () => all(splitter.flush()),
    };
  };
  if (json) {
    return {
      note: (text) => event("note", { text }),
      workspace: (workspace) =>
        event("workspace", { workspace: toJson(WorkspaceSchema, workspace) }),
      service: (service) => event("service", { service: toJson(ServiceSchema, service) }),
      ready: (answer) => event("ready", { answer: toJson(EnsureServicesResponseSchema, answer) }),
      lines: splitting((line) => event("log", lineAsJson(line))),
      released: (answer) => event("released", { answer: toJson(ReleaseRunResponseSchema, answer) }),
    };
  }

  const width = Math.max(...names.map(({ length }) => length));
  const prefix = (name: string) => {
    const colour = COLOURS[Math.max(0, names.indexOf(name)) % COLOURS.length] ?? "cyan";
    return styled(colour, `${name.padEnd(width)} |`);
  };
  const note = (text: string) => writeLine(styled("dim", `• ${text}`));
  return {
    note,
    workspace: (workspace) =>
      note(`workspace ${workspace.cwd}${workspace.created ? " (new)" : ""}`),
    service(service) {
      const failed = service.state === ServiceState.FAILED;
      const process = service.providerRef === "" ? "" : ` (pid ${service.providerRef})`;
      const line = `${prefix(service.serviceName)} ${styled(failed ? "red" : "dim", `${stateOf(service)}${process}`)}`;
      return writeLine(line);
    },
    ready: (answer) => writeLine(`\n${answer.readyComment}\n\nCtrl-C releases.\n`),
    lines: (name) =>
      splitting((line) => {
        const mark = line.stream === LogStream.STDERR ? styled("red", "!") : " ";
        return writeLine(`${prefix(name)}${mark}${line.text.replace(/\r$/, "")}`);
      })(),
    async released({ released, stopped }) {
      await writeLine("");
      for (const service of released) {
        const receipt = stopped.find(({ serviceId }) => serviceId === service.serviceId);
        const state = receipt
          ? told(receipt)
          : LIVE_STATES.includes(service.state)
            ? `keeps running; \`workspace-runtime stop ${service.serviceName}\` ends it`
            : stateOf(service);
        await writeLine(`${prefix(service.serviceName)} ${state}`);
      }
      await note("released");
    },
  };
}
