/**
 * What every git command gets besides its base: English and stable output, no question to a
 * terminal that is not there, and nothing of a `GIT_*` that the server was started with.
 */
export function gitEnvironment(base: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(base).filter(([name]) => !name.startsWith("GIT_"));
  return { ...Object.fromEntries(kept), LC_ALL: "C", GIT_TERMINAL_PROMPT: "0" };
}

/**
 * Only looking: takes no lock that a person's own git would meet, and fetches nothing that a partial
 * clone left out, which would run the remote's programs.
 */
export function inspectionEnvironment(
  base: Readonly<Record<string, string>>,
): Record<string, string> {
  return { ...gitEnvironment(base), GIT_OPTIONAL_LOCKS: "0", GIT_NO_LAZY_FETCH: "1" };
}

/** Global options under which a repository's own configuration starts no program. */
export const INSPECTION_OPTIONS = [
  "-c",
  "core.fsmonitor=false",
  "-c",
  "core.hooksPath=/dev/null",
] as const;
