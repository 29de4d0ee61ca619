/**
 * The outcome of `work` for a caller who may leave: an abort of a signal answers with its reason.
 * The work goes on.
 */
export async function answer<T>(work: Promise<T>, ...signals: readonly AbortSignal[]): Promise<T> {
  const { promise: left, reject } = Promise.withResolvers<never>();
  const listeners = signals.map((signal) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    return () => signal.removeEventListener("abort", leave);
  });
  try {
    return await Promise.race([work, left]);
  } finally {
    for (const remove of listeners) remove();
  }
}
