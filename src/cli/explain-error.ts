import { Code, ConnectError } from "@connectrpc/connect";
import {
  ConfigFileError,
  type ErrorDetails,
  errorDetails,
  type ServiceFailure,
} from "../client/index.ts";
import { ended } from "./words.ts";

/** An error for people: what is wrong, and what to do about it where that is known. */
export function explain(error: unknown): string {
  if (error instanceof ConfigFileError) {
    return error.problems.map(({ path, message }) => `${path || "it"} ${message}`).join("\n");
  }
  if (!(error instanceof ConnectError))
    return error instanceof Error ? error.message : String(error);
  const details = errorDetails(error);
  return [adviceFor(details) ?? sentence(details.message), ...details.failures.map(explainFailure)]
    .filter((line) => line !== "")
    .join("\n");
}

/** Why one service did not come up, with the end of what it wrote. */
export function explainFailure(failure: ServiceFailure): string {
  const { exit, diagnosis } = failure;
  const said = [failure.message, exit && ended(exit), diagnosis?.lastProbeError]
    .filter((part) => part)
    .filter((part, index, all) => !all.slice(0, index).some((other) => other?.includes(`${part}`)));
  const tail = diagnosis?.outputTail.trimEnd() ?? "";
  const output = tail === "" ? [] : tail.split("\n").map((line) => `    ${line}`);
  return [`  ${failure.serviceName}: ${said.join("; ")}`, ...output].join("\n");
}

function adviceFor({ code, reason, message, violations }: ErrorDetails): string | undefined {
  if (reason === "UNAUTHENTICATED") {
    return "The server refused the token. It stands in the file `token` of the server's data directory: name that with --data-dir, or set WORKSPACE_RUNTIME_TOKEN.";
  }
  if (reason === "SERVICE_LEASED") {
    return `${sentence(message)} --force stops it all the same and ends the lease.`;
  }
  if (reason === "PATH_NOT_ALLOWED") {
    return `${sentence(message)} Start the server with --allow-root for directories outside the home and temporary ones.`;
  }
  if (reason === "" && code === Code.Unavailable) {
    const cause = message.replace(/^connection lost: /, "");
    return /no server is running/.test(cause)
      ? sentence(cause)
      : `The server cannot be reached (${cause}). Start one with \`workspace-runtime serve\`, or name one with --address or --data-dir.`;
  }
  if (violations.length > 0) {
    return violations.map(({ field, description }) => `${field}: ${description}`).join("\n");
  }
  return undefined;
}

function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?`]$/.test(text) ? text : `${text}.`;
}
