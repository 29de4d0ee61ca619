/** Filled in by the store's suite: provides a PostgreSQL for the whole run. */
export default async function setup(): Promise<void> {}
