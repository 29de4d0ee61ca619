import { inheritedEnvironment, isInherited } from "./allow-list.ts";

export interface BaseEnvironment {
  /** What every child starts from. Waits for the login shell, which is bounded. */
  get(): Promise<Readonly<Record<string, string>>>;
  /** What the login shell fell back to and why; undefined when it answered. */
  warning(): Promise<string | undefined>;
}

export interface BaseEnvironmentOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly passEnv: readonly string[];
  /** Runs the login shell once; see supervisor/login-shell.ts. */
  readonly readLoginShell: (
    inherited: Readonly<Record<string, string>>,
  ) => Promise<Readonly<Record<string, string>>>;
}

/**
 * The allow-listed part of the server's environment, with what the person's login shell says of the
 * same names (a server started by a supervisor has a poorer PATH than its owner's terminal). Asked
 * once, in the background of start-up; if the shell fails, the server's own values stand.
 */
export function createBaseEnvironment(options: BaseEnvironmentOptions): BaseEnvironment {
  const { environment, passEnv } = options;
  const own = inheritedEnvironment(environment, passEnv);
  const asked = options
    .readLoginShell(own)
    .then((fromShell) => ({ env: merge(own, fromShell, passEnv), warning: undefined }))
    .catch((error: Error) => ({
      env: own,
      warning: `the login shell gave no environment (${error.message}); using the server's own PATH`,
    }));
  return {
    get: async () => (await asked).env,
    warning: async () => (await asked).warning,
  };
}

function merge(
  own: Readonly<Record<string, string>>,
  fromShell: Readonly<Record<string, string>>,
  passEnv: readonly string[],
): Record<string, string> {
  const merged = { ...own };
  for (const [name, value] of Object.entries(fromShell)) {
    if (isInherited(name) && !passEnv.includes(name)) merged[name] = value;
  }
  return merged;
}
