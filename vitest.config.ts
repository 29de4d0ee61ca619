import { defineConfig } from "vitest/config";

// Real processes, sockets and databases share two cores: few workers, generous bounds, no retries.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/postgres-setup.ts"],
    pool: "forks",
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
