/**
 * What a child may inherit from the server's environment. Everything else stays here: the database
 * URL, tokens, cloud keys, NODE_OPTIONS, LD_PRELOAD, PAPERCLIP_* and WORKSPACE_RUNTIME_*.
 */
const INHERITED = new Set([
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "LANG",
  "TZ",
  "TERM",
  "TMPDIR",
  "SSH_AUTH_SOCK",
  "DOCKER_HOST",
  "PNPM_HOME",
  "NVM_DIR",
  "FNM_DIR",
  "VOLTA_HOME",
  "ASDF_DATA_DIR",
  "JAVA_HOME",
  "GOPATH",
  "NODE_EXTRA_CA_CERTS",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "ALL_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "all_proxy",
  "no_proxy",
]);
const INHERITED_PREFIXES = ["LC_", "XDG_", "SSL_CERT_"];

/** `passed` are the names of --pass-env: they win over every rule. */
export function inheritedEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  passed: readonly string[] = [],
): Record<string, string> {
  const inherited: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && (isInherited(name) || passed.includes(name))) {
      inherited[name] = value;
    }
  }
  return inherited;
}

export function isInherited(name: string): boolean {
  return INHERITED.has(name) || INHERITED_PREFIXES.some((prefix) => name.startsWith(prefix));
}
