/** A command as a person would type it into a shell. */
export function commandLine(args: readonly string[]): string {
  return args.map(quote).join(" ");
}

function quote(argument: string): string {
  if (/^[A-Za-z0-9_./:-]+$/.test(argument)) return argument;
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}
