import { availableParallelism } from "node:os";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-pool-workers";
import { defineConfig, type TestProjectConfiguration } from "vitest/config";

type PoolOptions = Extract<Parameters<typeof cloudflareTest>[0], { wrangler?: unknown }>;
const migrations = await readD1Migrations("./migrations");

/**
 * What is random in the tests follows from this: repeat a failing run with `SEED=<seed> npm test`.
 */
if (process.env["SEED"] === undefined) {
  process.env["SEED"] = String(Date.now() % 2 ** 31);
  process.stderr.write(`SEED=${process.env["SEED"]}\n`);
}

/** For tests inside workerd, which see no environment. */
const provide = {
  migrations,
  seed: Number(process.env["SEED"]),
  runs: process.env["DEEP"] === undefined ? 100 : 3_000,
};

/** One project inside workerd, with a Worker's own Wrangler configuration on real D1 and queues. */
function inWorkerd(
  name: "api" | "consumer" | "cron",
  miniflare: PoolOptions["miniflare"],
  main?: string,
  globalSetup: string[] = [],
  setupFiles: string[] = [],
): TestProjectConfiguration {
  return {
    plugins: [
      cloudflareTest({
        verbose: false,
        remoteBindings: false,
        miniflare: miniflare ?? {},
        wrangler: { configPath: `./wrangler.${name}.toml` },
        ...(main === undefined ? {} : { main }),
      }),
    ],
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      setupFiles: [
        "./test/support/apply-migrations.ts",
        "./test/support/log-guard.ts",
        ...setupFiles,
      ],
      globalSetup,
      provide,
      // A machine that is busy is slow; nothing here is about time.
      testTimeout: 30_000,
    },
  };
}

const links = {
  PUBLIC_URL: "http://luna.test",
  UNSUBSCRIBE_SECRET: "test-unsubscribe-secret-0123456789",
};
const WEBHOOK_SECRET_RESEND = `whsec_${btoa("a secret of thirty-two characters")}`;
const ADMIN_TOKEN = "test-admin-token-0123456789abcdef";

export default defineConfig({
  logLevel: "error",
  test: {
    globalSetup: ["./test/support/prepare.ts"],
    // What a passing test logs is noise; what a failing one logs is evidence.
    silent: "passed-only",
    // Most of what they do is to wait, so that two more than there are cores are not too many.
    maxWorkers: availableParallelism() + 2,
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "shared/**/*.test.ts",
            "workers/**/*.test.ts",
            "bench/**/*.test.ts",
            "scripts/**/*.test.ts",
            "test/simulation/**/*.test.ts",
            "test/docs/**/*.test.ts",
          ],
          setupFiles: ["./test/support/seed.ts", "./test/support/log-guard.ts"],
        },
      },
      // luna-cron does not run beside luna-api here; `stack` has the three of them.
      inWorkerd(
        "api",
        {
          bindings: { ADMIN_TOKEN, WEBHOOK_SECRET_RESEND, ...links },
          serviceBindings: { CRON: () => new Response(null, { status: 501 }) },
          // Tests ask more often than users do.
          ratelimits: {
            RATE_LIMIT_KEY: { namespace_id: "1001", simple: { limit: 1_000_000, period: 60 } },
            RATE_LIMIT_IP: { namespace_id: "1002", simple: { limit: 1_000_000, period: 60 } },
          },
        },
        undefined,
        [],
        ["./test/support/registered-tasks.ts"],
      ),
      // The breakers and the counters live in luna-api, which does not run here: the consumer's
      // isolate hosts them itself.
      inWorkerd(
        "consumer",
        {
          bindings: { SMTP_HOST: "127.0.0.1", SMTP_PORT: "9", SMTP_SECURITY: "none", ...links },
          durableObjects: {
            CIRCUIT_BREAKER: { className: "CircuitBreaker", useSQLite: true },
            TELEMETRY: { className: "Telemetry", useSQLite: true },
          },
        },
        "./test/consumer/entry.ts",
        ["./test/support/scripted-servers.ts"],
      ),
      // So do the breakers and the tag index here.
      inWorkerd(
        "cron",
        {
          bindings: links,
          durableObjects: {
            CACHE_TAG_INDEX: { className: "CacheTagIndex", useSQLite: true },
            CIRCUIT_BREAKER: { className: "CircuitBreaker", useSQLite: true },
            TASK_WATCHDOG: { className: "TaskWatchdog", useSQLite: true },
            TELEMETRY: { className: "Telemetry", useSQLite: true },
          },
        },
        "./test/cron/entry.ts",
      ),
      {
        test: {
          name: "stack",
          include: ["test/stack/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "process",
          include: ["test/process/**/*.test.ts"],
          testTimeout: 240_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
