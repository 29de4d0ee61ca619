/** The epoch ms at which a time-ordered id was made; 0 for any other text. */
export function entryTime(entry: string): number {
  const time = Number.parseInt(entry.slice(0, 8) + entry.slice(9, 13), 16);
  return Number.isNaN(time) ? 0 : time;
}

/** Below every time-ordered id that is made at `time` or later, above all earlier ones. */
export function entryAt(time: number): string {
  const digits = Math.max(0, Math.floor(time)).toString(16).padStart(12, "0");
  return `${digits.slice(0, 8)}-${digits.slice(8)}`;
}
