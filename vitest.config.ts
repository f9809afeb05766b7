import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/support/global-setup.ts",
    // Each worker runs one file at a time, next to the servers that it works with.
    pool: "forks",
    maxWorkers: 2,
    // kafkajs sets a timer to a negative time when nothing is to be throttled, which Node warns of once a process.
    execArgv: ["--disable-warning=TimeoutNegativeWarning"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    reporters: ["default"],
  },
});
