import { createHash } from "node:crypto";
import { invalidField } from "../errors.ts";
import type { LogPosition } from "../logs/log-position.ts";
import type { LogGroup } from "./members.ts";

/**
 * How far a reader has come in all logs of a group. It names those that are begun and not told to
 * their end, and counts on ids being in the order of time for the rest, so that it stays small
 * however many there were.
 */
export interface GroupPosition {
  /** Members that came in by a lower id are told to their end, unless they stand in `logs`. */
  readonly settledBelow: string;
  /** Ids of this or above by which members came in that are told to their end. */
  readonly done: readonly string[];
  /** By the member's key. */
  readonly logs: ReadonlyMap<string, PlaceInLog>;
  /** How the reader began, for members of that time that are not begun. */
  readonly start: GroupStart;
  /** Epoch ms at which it began. */
  readonly startTime: number;
}

export interface PlaceInLog {
  readonly position: LogPosition;
  /** It had left the group, and was told as far as it belonged to it. */
  readonly hasLeft: boolean;
}

/** Where to begin in each log. */
export type GroupStart =
  | { readonly kind: "beginning" }
  | { readonly kind: "tail"; readonly lines: number }
  | { readonly kind: "since"; readonly time: number };

/** Of a reader that begins now. */
export function beforeAll(start: GroupStart, startTime: number): GroupPosition {
  return { settledBelow: "", done: [], logs: new Map(), start, startTime };
}

/** The opaque string that stands for it towards callers; about 45 characters for each log in it. */
export function encodeGroupCursor(group: LogGroup, position: GroupPosition): string {
  const logs = [...position.logs].map(([key, { position: at, hasLeft }]) => {
    const numbers = [...at.offsets, ...at.told].map((number) => number.toString(36));
    const name = `${hasLeft ? "-" : ""}${key.charAt(0)}${shortId(key.slice(1))}`;
    return [name, at.generation, ...numbers].join("~");
  });
  return [
    `1${group.kind.charAt(0)}`,
    fingerprint(group),
    position.settledBelow,
    logs.join(","),
    position.done.map(shortId).join(","),
    position.start.kind === "beginning" ? "" : encodeStart(position.start, position.startTime),
  ].join(".");
}

/** @throws INVALID_FIELD for what is no cursor of this group's logs. */
export function decodeGroupCursor(group: LogGroup, cursor: string): GroupPosition {
  const [kind, origin, settledBelow, logs, done, start, ...rest] = cursor.split(".");
  if (kind !== `1${group.kind.charAt(0)}`) {
    throw invalidField("cursor", `is not a cursor of the logs of a ${group.kind}`);
  }
  if (origin !== fingerprint(group)) {
    throw invalidField("cursor", `is a cursor of another ${group.kind}`);
  }
  if (
    settledBelow === undefined ||
    logs === undefined ||
    done === undefined ||
    start === undefined ||
    rest.length > 0 ||
    !/^[0-9a-f-]*$/.test(settledBelow)
  ) {
    throw damaged();
  }
  return {
    settledBelow,
    done: parts(done).map(fullId),
    logs: new Map(parts(logs).map(decodePlace)),
    ...decodeStart(start),
  };
}

function encodeStart(start: Exclude<GroupStart, { kind: "beginning" }>, startTime: number): string {
  const number = start.kind === "tail" ? start.lines : Math.max(0, start.time);
  return `${start.kind.charAt(0)}${number.toString(36)}~${startTime.toString(36)}`;
}

function decodeStart(text: string): Pick<GroupPosition, "start" | "startTime"> {
  if (text === "") return { start: { kind: "beginning" }, startTime: 0 };
  const [, kind, ...numbers] = /^([ts])([0-9a-z]+)~([0-9a-z]+)$/.exec(text) ?? [];
  const [number, startTime] = numbers.map(decodeNumber);
  if (number === undefined || startTime === undefined) throw damaged();
  const start: GroupStart =
    kind === "t" ? { kind: "tail", lines: number } : { kind: "since", time: number };
  return { start, startTime };
}

const PLACE = /^(-?)([os])([\w=-]+)$/;

function decodePlace(text: string): [string, PlaceInLog] {
  const [name = "", generation = "", ...numbers] = text.split("~");
  const [, left, kind, id] = PLACE.exec(name) ?? [];
  const [stdout, stderr, stdoutTold, stderrTold] = numbers.map(decodeNumber);
  if (
    kind === undefined ||
    id === undefined ||
    !/^[\w-]+$/.test(generation) ||
    numbers.length !== 4 ||
    stdout === undefined ||
    stderr === undefined ||
    stdoutTold === undefined ||
    stderrTold === undefined
  ) {
    throw damaged();
  }
  const fullName = fullId(id);
  // A log lies in a directory of its name: one that this server did not make could name any other.
  if (!UUID.test(fullName)) throw damaged();
  const position = {
    generation,
    offsets: [stdout, stderr] as const,
    told: [stdoutTold, stderrTold] as const,
  };
  return [kind + fullName, { position, hasLeft: left === "-" }];
}

function decodeNumber(text: string): number | undefined {
  const value = Number.parseInt(text, 36);
  return /^[0-9a-z]{1,11}$/.test(text) && Number.isSafeInteger(value) ? value : undefined;
}

function damaged() {
  return invalidField("cursor", "is not a cursor that this server gave out");
}

function parts(text: string): string[] {
  return text === "" ? [] : text.split(",");
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A UUID in 22 characters; any other id behind a "=". */
function shortId(id: string): string {
  return UUID.test(id)
    ? Buffer.from(id.replaceAll("-", ""), "hex").toString("base64url")
    : `=${Buffer.from(id).toString("base64url")}`;
}

function fullId(short: string): string {
  if (short.startsWith("=")) return Buffer.from(short.slice(1), "base64url").toString();
  const hex = Buffer.from(short, "base64url").toString("hex");
  if (hex.length !== 32) throw damaged();
  const cuts = [0, 8, 12, 16, 20, 32];
  return cuts
    .slice(1)
    .map((end, i) => hex.slice(cuts[i], end))
    .join("-");
}

/** Tells a mix-up of two runs from a resumption; keeps the id out of the string. */
function fingerprint(group: LogGroup): string {
  const id = group.kind === "run" ? group.runId : group.workspaceId;
  return createHash("sha256").update(id).digest("base64url").slice(0, 12);
}
