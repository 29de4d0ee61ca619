import type { Command } from "commander";

/** A command that only has commands of its own; each says what it did not like as all others do. */
export function group(parent: Command, children: readonly Command[]): Command {
  for (const child of children) {
    parent.addCommand(child.exitOverride().showHelpAfterError("(--help says more)"));
  }
  return parent;
}
