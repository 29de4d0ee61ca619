/** Ends the command with this code and, unless it is empty, this sentence on standard error. */
export class ExitError extends Error {
  override readonly name = "ExitError";
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The command was wrongly asked: exit code 2. */
export function usageError(message: string): ExitError {
  return new ExitError(message, 2);
}
