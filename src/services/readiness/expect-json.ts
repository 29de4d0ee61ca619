/**
 * What in the body is not as expected; undefined when all is. A path walks objects by their own keys and
 * arrays by index: `checks.0.status`. Values are compared as JSON prints scalars, strings without quotes.
 */
export function jsonMismatch(
  body: string,
  expected: Readonly<Record<string, string>>,
): string | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return "the body is no JSON";
  }
  for (const [path, wanted] of Object.entries(expected)) {
    const found = valueAt(parsed, path);
    if (found === undefined) return `the body has no ${path}`;
    const text = textOf(found);
    if (text !== wanted) return `${path} is ${clip(text)}, not ${clip(wanted)}`;
  }
  return undefined;
}

function valueAt(root: unknown, path: string): unknown {
  let value = root;
  for (const part of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) {
      return undefined;
    }
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

const LONGEST = 100;

function clip(text: string): string {
  return `"${text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text}"`;
}
