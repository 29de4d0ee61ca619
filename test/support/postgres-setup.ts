import { type AddressInfo, createServer } from "node:net";
import type { TestProject } from "vitest/node";
import { createPostgresCluster, type PostgresCluster } from "./postgres-cluster.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A loopback port that answers the URL of a PostgreSQL, or "!" and why there is none. */
    postgres: number;
  }
}

/**
 * Provides a PostgreSQL for the whole run: that of DATABASE_URL, else a throw-away cluster, made
 * when the first test asks for it. `postgresUrl` of databases.ts asks.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let cluster: Promise<PostgresCluster> | undefined;
  const url = async () => {
    const given = process.env.DATABASE_URL;
    if (given !== undefined && given !== "") return given;
    cluster ??= createPostgresCluster();
    return (await cluster).url;
  };

  const server = createServer((socket) => {
    socket.on("error", () => {});
    url().then(
      (answer) => socket.end(answer),
      (error) => socket.end(`!${error}`),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  project.provide("postgres", (server.address() as AddressInfo).port);

  return async () => {
    await new Promise((resolve) => server.close(resolve));
    const made = await cluster?.catch(() => undefined);
    await made?.remove();
  };
}
