/**
 * Rejects when somebody ends this program by SIGINT or SIGTERM: to be raced against its work, so that what was
 * started is ended on the way out.
 */
export function interrupted(): Promise<never> {
  const interruption = new Promise<never>((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => reject(new Error(`ended by ${signal}`)));
    }
  });
  interruption.catch(() => {});
  return interruption;
}
