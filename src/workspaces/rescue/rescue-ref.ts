import { createHash } from "node:crypto";

/** Below it lie the rescues of all workspaces of a repository. */
export const RESCUE_REFS = "refs/workspace-runtime/rescue/";

/** A ref is a file: its name may have 255 bytes, of which `.lock` takes five. */
const LONGEST_PART = 200;

/** `refs/workspace-runtime/rescue/<workspace id>/`, where all rescues of a workspace lie. */
export function rescuePrefix(workspaceId: string): string {
  return `${RESCUE_REFS}${refPart(workspaceId)}/`;
}

/** `time`: epoch ms. */
export function rescueRef(workspaceId: string, time: number): string {
  return `${rescuePrefix(workspaceId)}${new Date(time).toISOString().replace(/[-:.]/g, "")}`;
}

/** When a rescue was saved, in epoch ms, by its name; undefined for a ref that is no rescue's. */
export function rescueTime(ref: string): number | undefined {
  const match = /\/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z$/.exec(ref);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second, ms] = match.slice(1);
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
  return Number.isNaN(time) ? undefined : time;
}

/**
 * An id as one part of a ref's name. Ids are any visible characters; what is no letter, digit, `-` or
 * `_` becomes `%XX`. Two ids never share a part: a long one ends in its hash, marked as none could be.
 */
function refPart(id: string): string {
  const encoded = [...Buffer.from(id)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      if (/[A-Za-z0-9_-]/.test(character)) return character;
      return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
  if (encoded.length <= LONGEST_PART) return encoded;
  const hash = createHash("sha256").update(id).digest("hex");
  return `${encoded.slice(0, 100)}%h${hash}`;
}
