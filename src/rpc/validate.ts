import {
  type DescField,
  type DescMessage,
  type Message,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { type FieldViolation, RuntimeError } from "../errors.ts";

/**
 * The rules that hold for a field wherever it stands, found by its type and name: ids, page sizes,
 * labels, spans, times, enum values, texts that the store can hold. Throws one INVALID_FIELD with the
 * path of each violation; `required` are paths of text or message fields of the request itself.
 */
export function validateRequest<Desc extends DescMessage>(
  desc: Desc,
  request: MessageShape<Desc>,
  required: readonly string[] = [],
): void {
  const violations: FieldViolation[] = [];
  checkMessage(desc, request, "", (field, description) => violations.push({ field, description }));
  for (const name of required) {
    if (!isPresent(desc, request, name))
      violations.push({ field: name, description: "is required" });
  }
  throwViolations(violations);
}

/** Does nothing when there are none. */
export function throwViolations(violations: readonly FieldViolation[]): void {
  const [first, ...others] = violations;
  if (first === undefined) return;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  throw new RuntimeError("INVALID_FIELD", `${first.field}: ${first.description}${more}`, {
    violations,
  });
}

type Report = (field: string, description: string) => void;

/** "Visible": no blanks, no control or format characters. Counted in characters, not in UTF-16 units. */
const ID = /^[^\p{C}\p{Z}]{1,200}$/u;
const LARGEST_PAGE = 500;
const MOST_LABELS = 64;
const LARGEST_LABEL_BYTES = 4_096;
/** The limits that google.protobuf.Duration and Timestamp state for themselves. */
const LONGEST_SECONDS = 315_576_000_000n;
const FIRST_SECOND = -62_135_596_800n;
const LAST_SECOND = 253_402_300_799n;

function checkMessage(desc: DescMessage, message: Message, path: string, report: Report): void {
  const values = message as unknown as Record<string, unknown>;
  for (const field of desc.fields) {
    const value = fieldValue(field, values);
    if (value === undefined) continue;
    const at = path === "" ? field.name : `${path}.${field.name}`;
    switch (field.fieldKind) {
      case "list":
        for (const [index, item] of (value as unknown[]).entries()) {
          checkValue(field, item, `${at}[${index}]`, true, report);
        }
        break;
      case "map":
        checkMap(field, value as Record<string, unknown>, at, report);
        break;
      default:
        checkValue(field, value, at, field.oneof !== undefined, report);
    }
  }
}

function checkMap(
  field: DescField & { fieldKind: "map" },
  map: Record<string, unknown>,
  at: string,
  report: Report,
): void {
  const entries = Object.entries(map);
  const isLabels = field.name === "labels";
  if (isLabels && entries.length > MOST_LABELS) {
    report(at, `has ${entries.length} keys; at most ${MOST_LABELS} are kept`);
  }
  for (const [key, value] of entries) {
    const entryAt = `${at}[${JSON.stringify(key)}]`;
    checkText(key, entryAt, report);
    if (isLabels && typeof value === "string" && Buffer.byteLength(value) > LARGEST_LABEL_BYTES) {
      report(entryAt, `is longer than ${LARGEST_LABEL_BYTES} bytes`);
    }
    checkValue(field, value, entryAt, false, report);
  }
}

/** `given`: the value was set on purpose, so that an empty id is an error and not an absence. */
function checkValue(
  field: DescField,
  value: unknown,
  at: string,
  given: boolean,
  report: Report,
): void {
  if (field.message !== undefined) {
    checkNested(field.message, value as Message, at, report);
  } else if (field.enum !== undefined) {
    if (field.enum.value[value as number] === undefined) {
      report(at, `${value} is no value of ${field.enum.name}`);
    }
  } else if (field.scalar === ScalarType.STRING) {
    const text = value as string;
    if (isIdField(field)) checkId(text, at, given, report);
    else checkText(text, at, report);
  } else if (field.name === "page_size") {
    const size = value as number;
    if (size < 0 || size > LARGEST_PAGE) report(at, `must be 0 to ${LARGEST_PAGE}, not ${size}`);
  }
}

function checkNested(desc: DescMessage, message: Message, at: string, report: Report): void {
  switch (desc.typeName) {
    case "google.protobuf.Duration": {
      const { seconds, nanos } = message as unknown as Duration;
      if (seconds < 0n || nanos < 0) report(at, "must not be negative");
      else if (seconds > LONGEST_SECONDS || nanos > 999_999_999) report(at, "is out of range");
      return;
    }
    case "google.protobuf.Timestamp": {
      const { seconds, nanos } = message as unknown as Timestamp;
      if (seconds < FIRST_SECOND || seconds > LAST_SECOND || nanos < 0 || nanos > 999_999_999) {
        report(at, "is out of range");
      }
      return;
    }
    default:
      checkMessage(desc, message, at, report);
  }
}

function checkId(id: string, at: string, given: boolean, report: Report): void {
  if (id === "" && !given) return;
  if (!ID.test(id)) report(at, "must be 1 to 200 visible characters");
}

/** PostgreSQL holds no NUL, files and environments neither; half a surrogate pair is no UTF-8. */
function checkText(text: string, at: string, report: Report): void {
  if (text.includes("\0")) report(at, "must not contain a NUL character");
  else if (!text.isWellFormed()) report(at, "is not valid Unicode");
}

function isIdField(field: DescField): boolean {
  return field.name === "id" || field.name.endsWith("_id") || field.name.endsWith("_ids");
}

/** A oneof's value lies under the oneof's name, and only when its case is this field. */
function fieldValue(field: DescField, values: Record<string, unknown>): unknown {
  if (field.oneof === undefined) return values[field.localName];
  const chosen = values[field.oneof.localName] as { case?: string; value?: unknown };
  return chosen.case === field.localName ? chosen.value : undefined;
}

/** Names a text or message field, or a oneof. */
function isPresent(desc: DescMessage, message: Message, name: string): boolean {
  const values = message as unknown as Record<string, unknown>;
  const oneof = desc.oneofs.find((candidate) => candidate.name === name);
  if (oneof !== undefined) {
    return (values[oneof.localName] as { case?: string }).case !== undefined;
  }
  const field = desc.fields.find((candidate) => candidate.name === name);
  if (field === undefined) throw new Error(`${desc.typeName} has no field ${name}`);
  const value = fieldValue(field, values);
  return value !== undefined && value !== "";
}
