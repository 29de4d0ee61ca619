import type { Plumbing } from "../../git/plumbing.ts";

/** Hands the contents of blobs on, one after the other, as they come from one git. */
export async function readBlobs(
  plumbing: Plumbing,
  gitCwd: string,
  blobs: readonly string[],
  take: (content: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  if (blobs.length === 0) return;
  const input = blobs.map((blob) => `${blob}\n`).join("");
  await plumbing.stream(
    gitCwd,
    ["cat-file", "--batch"],
    async (output) => {
      const source = output[Symbol.asyncIterator]();
      let rest: Buffer = Buffer.alloc(0);
      const more = async (): Promise<void> => {
        const { value, done } = await source.next();
        if (done) throw new Error("git cat-file ended too early");
        rest = rest.length === 0 ? value : Buffer.concat([rest, value]);
      };
      const readLine = async (): Promise<string> => {
        while (!rest.includes(10)) await more();
        const end = rest.indexOf(10);
        const line = rest.subarray(0, end).toString();
        rest = rest.subarray(end + 1);
        return line;
      };
      async function* readContent(size: number): AsyncGenerator<Buffer> {
        for (let left = size; left > 0; ) {
          if (rest.length === 0) await more();
          const chunk = rest.subarray(0, left);
          rest = rest.subarray(chunk.length);
          left -= chunk.length;
          yield chunk;
        }
      }
      for (const blob of blobs) {
        const header = /^[0-9a-f]+ blob (\d+)$/.exec(await readLine());
        if (header === null) throw new Error(`blob ${blob} is missing`);
        await take(readContent(Number(header[1])));
        await readLine();
      }
    },
    { input },
  );
}
