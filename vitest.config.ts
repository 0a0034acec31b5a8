import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

// The suffix is the tier: `.test.ts` needs nothing outside the process, `.int.test.ts` a database, a child process or a port, and
// `.fault.test.ts` breaks things while they run. `.full.fault.test.ts` is part of the long form alone (`npm run test:faults -- --full`),
// since it needs what not every machine gives.
export default defineConfig({
  ssr: { resolve: { conditions: ["viable-source"] } },
  test: {
    // PGlite as it is compiled at first: optimising it takes longer than most databases here live, and half a gigabyte.
    execArgv: ["--conditions=viable-source", "--liftoff-only"],
    // Not the cache of whoever runs the tests.
    env: { VIABLE_TEST_CACHE_DIR: join(import.meta.dirname, ".cache", "tests", "viable") },
    // Vitest leaves a core to itself, while most of what takes long here waits for another process, or for time: one more than there are cores.
    maxWorkers: availableParallelism() + 1,
    // As all limits of time here, for a machine that others use too: it ends what hangs, and not what is slow.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "examples/*/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["**/*.int.test.ts", "**/*.fault.test.ts", "**/node_modules/**", "**/fixtures/**"],
          // None takes more than a few seconds, but where both cores are at work.
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "int",
          include: ["packages/*/src/**/*.int.test.ts", "examples/*/**/*.int.test.ts", "test/**/*.int.test.ts"],
          // Those need a server that npm does not bring: `system-nats` below.
          exclude: ["packages/bus-nats/**", "test/e2e/nats.int.test.ts", "**/node_modules/**", "**/fixtures/**"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          // What touches the server, once more on the system's own: Debian's is older than npm's, and built with what npm's is not.
          name: "system-postgres",
          include: [
            "packages/log-postgres/src/{append-known,postgres-*,rows,two-processes}.int.test.ts",
            "test/e2e/postgres.int.test.ts",
          ],
          exclude: ["**/node_modules/**"],
          env: { VIABLE_TEST_POSTGRES: "system" },
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          // On the server of the system's package, which `npm run test:servers` installs where it may; `npm test` needs none.
          name: "system-nats",
          include: ["packages/bus-nats/src/**/*.int.test.ts", "test/e2e/nats.int.test.ts"],
          exclude: ["**/node_modules/**"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: "faults",
          include: ["test/faults/**/*.fault.test.ts"],
          exclude: ["**/node_modules/**", ...(process.env.VIABLE_TEST_FULL === "1" ? [] : ["**/*.full.fault.test.ts"])],
          testTimeout: 300_000,
          // Faults take the whole machine: one file after the other.
          fileParallelism: false,
        },
      },
    ],
  },
});
