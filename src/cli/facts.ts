/** One line of a description; without a value it is left out. */
export type Fact = readonly [label: string, value: string | undefined];

/** "label:  value", values below each other; further lines of a value are indented as far. */
export function facts(list: readonly Fact[]): string {
  const said = list.flatMap(([label, value]) => (value ? [[label, value] as const] : []));
  const width = Math.max(0, ...said.map(([label]) => label.length)) + 1;
  return said
    .map(([label, value]) => {
      const [first = "", ...rest] = value.split("\n");
      const more = rest.map((line) => `\n${" ".repeat(width + 2)}${line}`);
      return `${`${label}:`.padEnd(width)}  ${first}${more.join("")}`;
    })
    .join("\n");
}

/** A heading and what stands under it, indented; "" without content. */
export function section(heading: string, content: string): string {
  if (content === "") return "";
  const lines = content.split("\n").map((line) => (line === "" ? "" : `  ${line}`));
  return [`${heading}:`, ...lines].join("\n");
}
