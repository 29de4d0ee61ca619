import { invalidField } from "../errors.ts";

/**
 * What a template may name. Nested plain objects are walked by dots; null and undefined are known
 * but empty. A Map is open: a key that it does not hold is empty too, where any other unknown name
 * is an error.
 */
export interface TemplateVariables {
  readonly [name: string]: TemplateValue;
}

export type TemplateValue =
  | string
  | number
  | boolean
  | null
  | undefined
  | TemplateVariables
  | ReadonlyMap<string, string>;

const PLACEHOLDER = /\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}/g;

/**
 * Replaces each `{{ path }}` by its variable; every other text, `${x}` included, stays as it is.
 * Throws INVALID_TEMPLATE at `field` (the request's path to the template) for a name that is
 * unknown, or that is a group of variables.
 */
export function renderTemplate(text: string, variables: TemplateVariables, field: string): string {
  return text.replace(PLACEHOLDER, (_, name: string) => {
    const value = lookUp(name, variables);
    if (value === UNKNOWN) {
      throw invalidField(field, `unknown variable "${name}"`, "INVALID_TEMPLATE");
    }
    if (value === null || value === undefined) return "";
    if (typeof value === "object") {
      throw invalidField(
        field,
        `"${name}" is a group of variables, not a value`,
        "INVALID_TEMPLATE",
      );
    }
    return String(value);
  });
}

/** The names that a template uses, each once, in the order of their first use. */
export function templateNames(text: string): string[] {
  return [...new Set(Array.from(text.matchAll(PLACEHOLDER), (match) => match[1] as string))];
}

const UNKNOWN = Symbol("unknown variable");

function lookUp(name: string, variables: TemplateVariables): TemplateValue | typeof UNKNOWN {
  let value: TemplateValue = variables;
  for (const part of name.split(".")) {
    if (value instanceof Map) {
      value = value.get(part);
    } else if (isPlainObject(value) && Object.hasOwn(value, part)) {
      value = value[part];
    } else {
      return UNKNOWN;
    }
  }
  return value;
}

function isPlainObject(value: unknown): value is TemplateVariables {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
