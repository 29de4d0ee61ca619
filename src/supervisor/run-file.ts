/** What the process that becomes the service does last: the two functions that shim.sh's `become` calls. */
export interface RunFile {
  readonly cwd: string;
  /** The program and its arguments, no shell between. */
  readonly args: readonly string[];
  /** Complete, the marker included. */
  readonly env: Readonly<Record<string, string>>;
}

/** The text of `run`. It holds the service's secrets: 0600, and gone with the instance. */
export function renderRunFile({ cwd, args, env }: RunFile): string {
  const entries = Object.entries(env);
  const exported = entries.filter(([name]) => isPlainVariable(name));
  const passed = entries.filter(([name]) => !isPlainVariable(name));
  const command = [
    // Names that some shell refuses or treats as its own go through env(1), visible in its arguments for a moment.
    ...(passed.length > 0
      ? ["/usr/bin/env", ...passed.map(([name, value]) => `${name}=${value}`)]
      : []),
    ...args,
  ];
  return [
    `enter() { cd ${quote(cwd)}; }`,
    "launch() {",
    "umask 0022",
    `unset ${SHIM_VARIABLES.join(" ")}`,
    ...exported.map(([name, value]) => `export ${name}=${quote(value)}`),
    `exec ${command.map(quote).join(" ")} >&7 2>&8 7>&- 8>&-`,
    "}",
    "",
  ].join("\n");
}

/** What the shim's own environment holds, and what shells export by themselves. */
const SHIM_VARIABLES = [
  "PATH",
  "LC_ALL",
  "OLDPWD",
  "SHLVL",
  "WORKSPACE_RUNTIME_SHIM",
  "WORKSPACE_RUNTIME_SH",
  "WORKSPACE_RUNTIME_LOGS",
  "WORKSPACE_RUNTIME_STDIN",
  "WORKSPACE_RUNTIME_CGROUP",
  "WORKSPACE_RUNTIME_SUBREAPER",
] as const;

const SHELLS_OWN =
  /^(UID|EUID|PPID|GROUPS|SHELLOPTS|BASHOPTS|BASH_VERSINFO|FUNCNAME|DIRSTACK|OPTIND|LINENO|RANDOM|SECONDS|IFS|_)$/;

function isPlainVariable(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !SHELLS_OWN.test(name);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
