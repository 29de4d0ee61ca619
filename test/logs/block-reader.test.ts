import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createBlockReader } from "../../src/logs/block-reader.ts";
import { BLOCK_BYTES, createReadMemory, HEADROOM_BYTES } from "../../src/logs/read-memory.ts";
import { temporaryDirectory } from "./support/log-fixture.ts";

async function openFile(size: number) {
  const path = join(await temporaryDirectory(), "file");
  const content = Buffer.from(Array.from({ length: size }, (_, i) => i % 251));
  await writeFile(path, content);
  const handle = await open(path);
  onTestFinished(() => handle.close());
  return { handle, content };
}

describe("a block reader", () => {
  it("reads what was asked for, large and small", async () => {
    const { handle, content } = await openFile(2 * BLOCK_BYTES);
    const reader = createBlockReader(createReadMemory());
    for (const [start, length] of [
      [0, 1],
      [7, 1_000],
      [BLOCK_BYTES - 3, BLOCK_BYTES],
      [5, BLOCK_BYTES + 1],
    ] as const) {
      const block = await reader.read(handle, start, length);
      expect(block?.bytes.equals(content.subarray(start, start + length))).toBe(true);
    }
  });

  it("has nothing when the file ends before", async () => {
    const { handle } = await openFile(BLOCK_BYTES);
    const reader = createBlockReader(createReadMemory());
    expect(await reader.read(handle, 1, BLOCK_BYTES)).toBe(undefined);
    expect(await reader.read(handle, BLOCK_BYTES, 1)).toBe(undefined);
  });

  it("uses memory again once it is released, and not before", async () => {
    const { handle } = await openFile(BLOCK_BYTES);
    const reader = createBlockReader(createReadMemory());
    const first = await reader.read(handle, 0, BLOCK_BYTES);
    const second = await reader.read(handle, 0, BLOCK_BYTES);
    expect(second?.bytes.buffer).not.toBe(first?.bytes.buffer);
    first?.release();
    first?.release();
    const third = await reader.read(handle, 0, BLOCK_BYTES);
    const fourth = await reader.read(handle, 0, BLOCK_BYTES);
    expect(third?.bytes.buffer).toBe(first?.bytes.buffer);
    expect(fourth?.bytes.buffer).not.toBe(first?.bytes.buffer);
  });

  it("leaves room in front of what it reads into its own memory", async () => {
    const { handle } = await openFile(BLOCK_BYTES);
    const reader = createBlockReader(createReadMemory());
    const block = await reader.read(handle, 0, BLOCK_BYTES);
    expect(block?.headroom).toBe(HEADROOM_BYTES);
    expect(block?.bytes.byteOffset).toBe(HEADROOM_BYTES);
    // A small one may lie in memory that others have a part of.
    expect((await reader.read(handle, 0, 100))?.headroom).toBe(0);
  });
});
