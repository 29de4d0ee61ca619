/**
 * The largest offset up to `end` that does not cut a UTF-8 character of `bytes` in two: `end` itself unless
 * the last bytes before it are the beginning of a character. Invalid text is cut where asked.
 */
export function utf8Boundary(bytes: Uint8Array, start: number, end: number): number {
  for (let at = end - 1; at >= start && at >= end - 3; at--) {
    const byte = bytes[at] as number;
    if ((byte & 0xc0) === 0x80) continue;
    return at + sequenceLength(byte) > end ? at : end;
  }
  return end;
}

function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 1;
}
