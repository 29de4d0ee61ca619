import { type FieldViolation, RuntimeError } from "../errors.ts";
import type { ServiceSpec } from "../model/service-spec.ts";
import { nameOf } from "./service-name.ts";

/**
 * Refuses dependencies that can never be there: on a service that the call does not have, or in a circle.
 * @param field the proto path of the list: `services`
 * @throws RuntimeError INVALID_FIELD with a violation each; DEPENDENCY_CYCLE with the circle
 */
export function checkDependencies(specs: readonly ServiceSpec[], field: string): void {
  const known = specs.map(nameOf);
  const violations: FieldViolation[] = [];
  for (const [index, spec] of specs.entries()) {
    for (const [at, { name }] of (spec.dependsOn ?? []).entries()) {
      if (known.includes(name)) continue;
      violations.push({
        field: `${field}[${index}].depends_on[${at}].name`,
        description: `there is no service "${name}" beside it (there is: ${known.join(", ")})`,
      });
    }
  }
  const [first] = violations;
  if (first !== undefined) {
    throw new RuntimeError("INVALID_FIELD", `${first.field}: ${first.description}`, { violations });
  }
  const circle = findCircle(specs);
  if (circle !== undefined) throw dependencyCycle(specs, field, circle);
}

/** These names and all that they depend on, however far, in the order of the specs. */
export function withDependencies(
  specs: readonly ServiceSpec[],
  names: readonly string[],
): readonly ServiceSpec[] {
  const wanted = new Set(names);
  // A set that grows while it is walked is walked to its end.
  for (const name of wanted) {
    const spec = specs.find((one) => nameOf(one) === name);
    for (const dependency of spec?.dependsOn ?? []) wanted.add(dependency.name);
  }
  return specs.filter((spec) => wanted.has(nameOf(spec)));
}

/** The names on a way that leads back to its first one. */
function findCircle(specs: readonly ServiceSpec[]): readonly string[] | undefined {
  const next = new Map(
    specs.map((spec) => [nameOf(spec), (spec.dependsOn ?? []).map(({ name }) => name)]),
  );
  const done = new Set<string>();
  for (const start of next.keys()) {
    const way: string[] = [];
    const left = [[start]];
    while (left.length > 0) {
      const name = left.at(-1)?.shift();
      if (name === undefined) {
        left.pop();
        const walked = way.pop();
        if (walked !== undefined) done.add(walked);
      } else if (way.includes(name)) {
        return way.slice(way.indexOf(name));
      } else if (!done.has(name)) {
        way.push(name);
        left.push([...(next.get(name) ?? [])]);
      }
    }
  }
  return undefined;
}

function dependencyCycle(
  specs: readonly ServiceSpec[],
  field: string,
  circle: readonly string[],
): RuntimeError {
  const [first = ""] = circle;
  const index = specs.findIndex((spec) => nameOf(spec) === first);
  const at = `${field}[${index}].depends_on`;
  const way = [...circle, first].join(" -> ");
  const description = `${way}: none of them could ever start, leave one of these out`;
  return new RuntimeError("DEPENDENCY_CYCLE", `${at}: ${description}`, {
    violations: [{ field: at, description }],
  });
}
