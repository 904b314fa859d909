import { existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-pool-workers";
import { defineConfig, type TestProjectConfiguration } from "vitest/config";
import { writeLocalConfigs } from "./scripts/local-configs.ts";
import { TEST_TIMEOUT_MS } from "./test/support/limits.ts";

type PoolOptions = Extract<Parameters<typeof cloudflareTest>[0], { wrangler?: unknown }>;
const migrations = await readD1Migrations("./migrations");

/**
 * What is random in the tests follows from this: repeat a failing run with `SEED=<seed> npm test`.
 */
process.env["SEED"] ??= String(Date.now() % 2 ** 31);

/**
 * How often each property test runs: 300 times here, 2,000 in `.ci/run`, 100,000 in `npm run
 * test:deep`.
 */
process.env["RUNS"] ??= "300";

const MEMORY_DISK = "/dev/shm";
const NEEDED_BYTES = 2 * 1024 ** 3;

/** With a million emails, which take several gigabytes. */
const isDeep = process.env["DEEP"] === "1";

/** Where no write of D1 waits for a disk, if this machine has such a place with room. */
function temporaryFolder(): string {
  if (isDeep || !existsSync(MEMORY_DISK) || process.availableMemory() < NEEDED_BYTES)
    return tmpdir();
  const { bavail, bsize } = statfsSync(MEMORY_DISK);
  return bavail * bsize < NEEDED_BYTES ? tmpdir() : MEMORY_DISK;
}

/**
 * Of this run alone: what the tests store; copies of the three TOMLs, away from the developer's
 * `.dev.vars`, which Wrangler reads beside a configuration; and what Node has compiled, since tests
 * start the same programs hundreds of times.
 */
const scratch = mkdtempSync(join(temporaryFolder(), "luna-test-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
process.env["TMPDIR"] = scratch;
const configs = join(scratch, "configs");
writeLocalConfigs(configs, {});
rmSync(join(configs, ".dev.vars"));
process.env["NODE_COMPILE_CACHE"] = join(scratch, "compiled");

/** For tests inside workerd, which see no environment. */
const provide = {
  migrations,
  seed: Number(process.env["SEED"]),
  runs: Number(process.env["RUNS"]),
  // Emails of others, where rows read are compared: see test/api/statements/fill.ts.
  stored: isDeep ? [100_000, 1_000_000] : [10_000],
};

/** An operator's walks through the runbooks. */
const WALKS = "test/stack/runbooks-*.test.ts";

/** Of every project. */
const common = {
  testTimeout: TEST_TIMEOUT_MS,
  hookTimeout: TEST_TIMEOUT_MS,
  teardownTimeout: TEST_TIMEOUT_MS,
  sequence: { groupOrder: 1 },
};

type WorkerdOptions = { main?: string; globalSetup?: string[]; setupFiles?: string[] };

/** One project inside workerd, with a Worker's own Wrangler configuration on real D1 and queues. */
function inWorkerd(
  name: "api" | "consumer" | "cron",
  miniflare: PoolOptions["miniflare"],
  { main, globalSetup = [], setupFiles = [] }: WorkerdOptions,
): TestProjectConfiguration {
  return {
    plugins: [
      cloudflareTest({
        verbose: false,
        remoteBindings: false,
        miniflare: miniflare ?? {},
        wrangler: { configPath: join(configs, `wrangler.${name}.json`) },
        ...(main === undefined ? {} : { main }),
      }),
    ],
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      setupFiles: [
        "./test/support/fresh-file.ts",
        "./test/support/log-guard.ts",
        "./test/support/plan-guard.ts",
        ...setupFiles,
      ],
      globalSetup,
      provide,
      isolate: false,
      ...common,
      // The first one forgets the modules of the file before.
      sequence: { groupOrder: 1, setupFiles: "list" },
    },
  };
}

const links = {
  PUBLIC_URL: "http://luna.test",
  UNSUBSCRIBE_SECRET: "test-unsubscribe-secret-0123456789",
};
const WEBHOOK_SECRET_RESEND = `whsec_${btoa("a secret of thirty-two characters")}`;
const SECRETS_KEY = "test-secrets-key-0123456789abcdef";
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
      // What must not break comes first, and alone.
      {
        test: {
          name: "mission",
          include: ["test/mission/**/*.test.ts"],
          globalSetup: ["./test/stack/built-workers.ts"],
          setupFiles: ["./test/support/seed.ts", "./test/support/log-guard.ts"],
          ...common,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "unit",
          // A thread starts in half the time of a process, and its files share what they import.
          pool: "threads",
          isolate: false,
          include: [
            "shared/**/*.test.ts",
            "workers/**/*.test.ts",
            "bench/**/*.test.ts",
            "scripts/**/*.test.ts",
            "test/docs/**/*.test.ts",
          ],
          setupFiles: ["./test/support/seed.ts", "./test/support/log-guard.ts"],
          ...common,
        },
      },
      // It mocks modules that files of `unit` share.
      {
        test: {
          name: "simulation",
          pool: "threads",
          include: ["test/simulation/**/*.test.ts"],
          setupFiles: ["./test/support/seed.ts", "./test/support/log-guard.ts"],
          ...common,
        },
      },
      // The breakers and the counters live in luna-api, which does not run here: the consumer's
      // isolate hosts them itself. One of its files waits for long: others run meanwhile.
      inWorkerd(
        "consumer",
        {
          bindings: { SMTP_HOST: "127.0.0.1", SMTP_PORT: "9", SMTP_SECURITY: "none", ...links },
          durableObjects: {
            CIRCUIT_BREAKER: { className: "CircuitBreaker", useSQLite: true },
            TELEMETRY: { className: "Telemetry", useSQLite: true },
          },
        },
        { main: "./test/consumer/entry.ts", globalSetup: ["./test/support/scripted-servers.ts"] },
      ),
      // luna-cron does not run beside luna-api here; `stack` has the three of them.
      inWorkerd(
        "api",
        {
          bindings: { ADMIN_TOKEN, SECRETS_KEY, WEBHOOK_SECRET_RESEND, ...links },
          serviceBindings: { CRON: () => new Response(null, { status: 501 }) },
          // Tests ask more often than users do.
          ratelimits: {
            RATE_LIMIT_KEY: { namespace_id: "1001", simple: { limit: 1_000_000, period: 60 } },
            RATE_LIMIT_IP: { namespace_id: "1002", simple: { limit: 1_000_000, period: 60 } },
          },
        },
        { setupFiles: ["./test/support/registered-tasks.ts"] },
      ),
      // Its isolate hosts the breakers and the tag index, too.
      inWorkerd(
        "cron",
        {
          bindings: links,
          r2Buckets: ["ATTACHMENTS", "EXPORTS"],
          durableObjects: {
            CACHE_TAG_INDEX: { className: "CacheTagIndex", useSQLite: true },
            CIRCUIT_BREAKER: { className: "CircuitBreaker", useSQLite: true },
            HEARTBEAT: { className: "Heartbeat", useSQLite: true },
            TASK_WATCHDOG: { className: "TaskWatchdog", useSQLite: true },
            TELEMETRY: { className: "Telemetry", useSQLite: true },
          },
        },
        { main: "./test/cron/entry.ts" },
      ),
      // The rest is `npm run test:long`: it starts the three Workers, the real `npm start`, and
      // Chromium, and takes as long as all others together.
      // Wrangler takes more than a second to load: files of one process share it.
      {
        test: {
          name: "stack",
          include: ["test/stack/**/*.test.ts"],
          exclude: [WALKS],
          globalSetup: ["./test/stack/built-workers.ts"],
          isolate: false,
          ...common,
        },
      },
      {
        test: {
          name: "walks",
          include: [WALKS],
          globalSetup: ["./test/stack/built-workers.ts"],
          isolate: false,
          ...common,
        },
      },
      {
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          globalSetup: ["./test/browser/extracted-chromium.ts"],
          ...common,
        },
      },
      { test: { name: "process", include: ["test/process/**/*.test.ts"], ...common } },
    ],
  },
});
