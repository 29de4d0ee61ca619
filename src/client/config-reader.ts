/** One thing that was found in a configuration, with the path to it such as `workspaceRuntime.services[0].port`. */
export interface ConfigProblem {
  readonly path: string;
  readonly message: string;
}

/**
 * Reads one JSON object key by key. Wrong types are noted as errors, keys that nobody read as warnings; `null` is
 * as good as absent.
 */
export interface ConfigReader {
  readonly path: string;
  text(key: string, options?: { readonly required: boolean }): string;
  /** Text in which `{{ }}` is rendered: `${ }` is pointed out, since it stays as it is. */
  template(key: string): string;
  /** One of `values`, or undefined; absent is an error only if it is required. */
  choice<T extends string>(
    key: string,
    values: readonly T[],
    options?: { readonly required: boolean },
  ): T | undefined;
  /** A number above 0, in milliseconds; undefined if absent. */
  span(key: string, unitMs: number): number | undefined;
  object(key: string): ConfigReader | undefined;
  list(key: string): ConfigReader[];
  /** An object of texts with templates. */
  templates(key: string): Record<string, string>;
  raw(key: string): unknown;
  error(key: string, message: string): void;
  warn(key: string, message: string): void;
  /** To be called last: warns of each key that was not read. */
  finish(): void;
}

export interface Findings {
  readonly errors: ConfigProblem[];
  readonly warnings: ConfigProblem[];
}

/** `value` must be an object; anything else is an error and reads as an empty one. */
export function createConfigReader(value: unknown, path: string, findings: Findings): ConfigReader {
  const seen = new Set<string>();
  const at = (key: string) => (key === "" ? path : path === "" ? key : `${path}.${key}`);
  const error = (key: string, message: string) => {
    findings.errors.push({ path: at(key), message });
  };
  const warn = (key: string, message: string) => {
    findings.warnings.push({ path: at(key), message });
  };
  if (!isObject(value)) error("", `must be an object, not ${kindOf(value)}`);
  const fields: Record<string, unknown> = isObject(value) ? value : {};

  const raw = (key: string) => {
    seen.add(key);
    return Object.hasOwn(fields, key) ? (fields[key] ?? undefined) : undefined;
  };
  const text = (key: string, options?: { readonly required: boolean }) => {
    const found = raw(key) ?? "";
    if (typeof found !== "string") error(key, `must be a text, not ${kindOf(found)}`);
    else if (options?.required && found.trim() === "") error(key, "is missing");
    return typeof found === "string" ? found : "";
  };
  const reader = (found: unknown, place: string): ConfigReader[] => {
    if (isObject(found)) return [createConfigReader(found, at(place), findings)];
    error(place, `must be an object, not ${kindOf(found)}`);
    return [];
  };
  const warnOfShell = (key: string, template: string) => {
    const [shell] = /\$\{[^}]*\}/.exec(template) ?? [];
    if (shell !== undefined) {
      warn(key, `${shell} stays as it is; templates are written {{ name }}`);
    }
  };

  return {
    path,
    text,
    template(key) {
      const template = text(key);
      warnOfShell(key, template);
      return template;
    },
    choice(key, values, options) {
      const found = raw(key);
      const chosen = values.find((one) => one === found);
      if (found === undefined && options?.required) error(key, `is missing: ${values.join(", ")}`);
      if (found !== undefined && chosen === undefined) {
        error(key, `${JSON.stringify(found)} is none of ${values.join(", ")}`);
      }
      return chosen;
    },
    span(key, unitMs) {
      const found = raw(key);
      if (found === undefined) return undefined;
      if (typeof found === "number" && Number.isFinite(found) && found > 0) return found * unitMs;
      error(key, `must be a number above 0, not ${JSON.stringify(found)}`);
      return undefined;
    },
    object(key) {
      const found = raw(key);
      return found === undefined ? undefined : reader(found, key)[0];
    },
    list(key) {
      const found = raw(key);
      if (found === undefined) return [];
      if (!Array.isArray(found)) {
        error(key, `must be a list, not ${kindOf(found)}`);
        return [];
      }
      return found.flatMap((item, index) => reader(item, `${key}[${index}]`));
    },
    templates(key) {
      const found = raw(key);
      if (found === undefined) return {};
      if (!isObject(found)) {
        error(key, `must be an object of texts, not ${kindOf(found)}`);
        return {};
      }
      return Object.fromEntries(
        Object.entries(found).flatMap(([name, template]) => {
          if (template === null) return [];
          if (typeof template === "string") {
            warnOfShell(`${key}.${name}`, template);
            return [[name, template]];
          }
          error(`${key}.${name}`, `must be a text, not ${kindOf(template)}`);
          return [];
        }),
      );
    },
    raw,
    error,
    warn,
    finish() {
      for (const key of Object.keys(fields)) if (!seen.has(key)) warn(key, "is not known");
    },
  };
}

export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return "a text";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
