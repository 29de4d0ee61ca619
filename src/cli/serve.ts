import { setImmediate as breathe } from "node:timers/promises";
import { Command, Option } from "commander";
import type { App } from "../app.ts";
import { type Config, ConfigError, loadConfig, settings, variableOf } from "../config.ts";
import { createLogger, type Logger } from "../logger.ts";
import { openDoor } from "../server/door.ts";
import { openDataDirectory } from "../store/data-directory.ts";
import { keepCompiled } from "./compile-cache.ts";

/** `serve`: one server in the foreground, until SIGTERM or SIGINT. */
export function serveCommand(): Command {
  const command = new Command("serve")
    .description("run the server")
    .option("--config <FILE>", "JSON object with the settings below as keys");
  for (const { flag, argument, repeatable, description } of settings) {
    const name = `--${flag}${argument === undefined ? "" : ` <${argument}>`}`;
    const option = new Option(name, `${description} [${variableOf(flag)}]`);
    if (repeatable) option.argParser((value: string, all: string[] = []) => [...all, value]);
    command.addOption(option);
  }
  return command.action(async () => {
    // Commander calls --no-repo-hooks "repoHooks": what was given is read back under its flag.
    const flags = Object.fromEntries(
      [...settings.map(({ flag }) => flag), "config"].map((flag) => [flag, given(command, flag)]),
    );
    await serve(loadConfig(flags, process.env));
  });
}

function given(command: Command, flag: string): string | boolean | string[] | undefined {
  const option = command.options.find(({ long }) => long === `--${flag}`);
  if (option === undefined) return undefined;
  const name = option.attributeName();
  if (command.getOptionValueSource(name) !== "cli") return undefined;
  const value = command.getOptionValue(name);
  return option.negate ? value === false : value;
}

async function serve(config: Config): Promise<void> {
  const log = createLogger(config.logLevel);
  const app = await start(config, log);
  const ended = Promise.withResolvers<void>();
  let asked = false;
  const end = (signal: NodeJS.Signals) => {
    if (asked) return;
    asked = true;
    log.info({ signal }, "shutting down");
    app.close().then(ended.resolve, ended.reject);
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  // A terminal that closes takes its server's reader, not the server's services or callers.
  process.on("SIGHUP", () => log.info("hangup ignored"));
  process.stdout.write(`${JSON.stringify(app.ready)}\n`);
  keepCompiled();
  await ended.promise;
  process.exit(0);
}

/** The lock before the address: a second server hears whose the directory is. Then the address, then all the rest. */
async function start(config: Config, log: Logger): Promise<App> {
  const directory = openDataDirectory(config.dataDir);
  const door = await openDoor({ ...config.listen, tls: config.tlsCert !== "" }).catch(
    (error: NodeJS.ErrnoException) => {
      throw explainListen(error, config.listen) ?? error;
    },
  );
  const { startApp } = await loadApp();
  return startApp(config, { directory, door, log });
}

/** Reading modules stops everything else: in parts, so that the door answers in between. */
async function loadApp(): Promise<typeof import("../app.ts")> {
  await breathe();
  await import("@grpc/grpc-js");
  await breathe();
  await import("../store/store.ts");
  await breathe();
  await import("../workspaces/manager.ts");
  await breathe();
  await import("../services/manager.ts");
  await breathe();
  await import("../rpc/handlers.ts");
  await breathe();
  await import("../server/server.ts");
  await breathe();
  return import("../app.ts");
}

/** The system's word for an address that cannot be had, as what to do about it. */
function explainListen(
  error: NodeJS.ErrnoException,
  { host, port }: { readonly host: string; readonly port: number },
): ConfigError | undefined {
  const advice: Readonly<Record<string, string>> = {
    EADDRINUSE: "is taken: stop what listens there, or choose another (port 0 picks a free one)",
    EACCES: "needs more rights: choose a port above 1023",
    EADDRNOTAVAIL: "is no address of this machine",
    ENOTFOUND: "is no host that can be found",
  };
  const what =
    error.syscall === "listen" || error.syscall === "getaddrinfo"
      ? advice[error.code ?? ""]
      : undefined;
  return what === undefined ? undefined : new ConfigError(`--listen ${host}:${port} ${what}`);
}
