import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FakeAccount } from "../support/fake-wrangler.ts";
import { flagsOf } from "../support/wrangler-commands.ts";

/**
 * A project with the TOMLs of this one, a wrangler that has an account of its own, and a smoke test
 * that follows its script.
 */
let project = "";
const ADMIN_TOKEN = "a".repeat(32);
const account = (): FakeAccount =>
  JSON.parse(readFileSync(join(project, "account.json"), "utf8")) as FakeAccount;
/** What wrangler was called with. */
const calls = (): string[][] =>
  readFileSync(join(project, "account.json.calls"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as string[]);

const commands = [
  "d1 create",
  "d1 execute",
  "d1 list",
  "d1 migrations apply",
  "d1 time-travel info",
  "deploy",
  "deployments status",
  "kv namespace create",
  "kv namespace list",
  "queues create",
  "queues info",
  "queues subscription create",
  "queues subscription list",
  "r2 bucket create",
  "r2 bucket info",
  "secret list",
  "triggers deploy",
  "versions deploy",
  "versions upload",
  "versions view",
];

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "luna-deploy-test-"));
  for (const name of ["api", "consumer", "cron"])
    copyFileSync(`wrangler.${name}.toml`, join(project, `wrangler.${name}.toml`));
  for (const folder of ["bin", "scripts", "environments"]) mkdirSync(join(project, folder));
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ scripts: { "build:console": "true" } }),
  );
  writeFileSync(
    join(project, "account.json"),
    JSON.stringify({
      databases: [],
      namespaces: [],
      queues: [],
      buckets: [],
      workers: {},
    } satisfies FakeAccount),
  );
  writeFileSync(
    join(project, "environments/staging.toml"),
    [
      "steps = [0, 100]",
      "pauseSeconds = 0",
      "[feedbackDomains]",
      `"example.com" = "${"a".repeat(32)}"`,
      "[vars]",
      'EMAIL_FROM = "hello@example.com"',
      'PUBLIC_URL = "https://staging.example"',
      'ALERT_EMAIL = "oncall@example.com"',
      'SMTP_HOST = "smtp.example"\n',
    ].join("\n"),
  );
  writeFileSync(
    join(project, "environments/production.toml"),
    "steps = [0, 30, 100]\npauseSeconds = 0\n",
  );
  writeFileSync(
    join(project, "secrets"),
    `ADMIN_TOKEN=${ADMIN_TOKEN}\nUNSUBSCRIBE_SECRET=${"u".repeat(32)}\n`,
  );
  writeFileSync(
    join(project, "scripts/smoke.ts"),
    `import { appendFileSync, existsSync, readFileSync } from "node:fs";
     const { LUNA_TOKEN, LUNA_VERSION_OVERRIDES } = process.env;
     const acts = process.argv.slice(3).join(" ");
     const smoked = [process.argv[2], LUNA_TOKEN?.length ?? 0, LUNA_VERSION_OVERRIDES, acts];
     appendFileSync("smoked", JSON.stringify(smoked) + "\\n");
     if (existsSync("interrupt")) process.kill(process.ppid, readFileSync("interrupt", "utf8"));
     process.exitCode = existsSync("broken") && LUNA_VERSION_OVERRIDES !== "" ? 1 : 0;`,
  );
  const wrangler = join(project, "bin/wrangler");
  writeFileSync(
    wrangler,
    [
      "#!/bin/sh",
      `exec "${process.execPath}" "${resolve("test/process/fixtures/wrangler.ts")}" "$@"\n`,
    ].join("\n"),
  );
  chmodSync(wrangler, 0o755);
});
afterAll(() => rmSync(project, { recursive: true }));

function deploy(...args: string[]) {
  rmSync(join(project, "smoked"), { force: true });
  const { LUNA_TOKEN: _, ...env } = process.env;
  const done = spawnSync(
    process.execPath,
    [resolve("scripts/deploy.ts"), "--env", "staging", ...args],
    {
      cwd: project,
      encoding: "utf8",
      env: {
        ...env,
        ...(Object.keys(account().workers).length === 0 ? {} : { LUNA_TOKEN: ADMIN_TOKEN }),
        PATH: `${join(project, "bin")}${delimiter}${env["PATH"]}`,
        FAKE_ACCOUNT: join(project, "account.json"),
      },
    },
  );
  const smoked = existsSync(join(project, "smoked"))
    ? readFileSync(join(project, "smoked"), "utf8").trim().split("\n")
    : [];
  return {
    code: done.status,
    output: done.stdout + done.stderr,
    smoked: smoked.map((line) => JSON.parse(line) as unknown),
  };
}

describe("npm run deploy, with a wrangler of ours on PATH", () => {
  it.each([
    ["staging", "luna-staging", [0, 100]],
    ["production", "luna", [0, 30, 100]],
  ])(
    "plans the first and later deployments of %s with --dry-run, without the account",
    (environment, name, steps) => {
      const { code, output } = deploy("--env", environment, "--dry-run");
      expect(code, output).toBe(0);
      const [first, next] =
        output.split(`The first deployment of ${environment}:`)[1]?.split("Later deployments") ??
        [];
      expect(first).toContain(`create the D1 database ${name}\n`);
      expect(first).toContain(`deploy ${name}-cron, all traffic at once`);
      expect(next).not.toContain("create");
      for (const share of steps)
        expect(next).toContain(`give the new version of ${name}-api ${share} % of the traffic`);
      expect(calls().filter((args) => !(args[0] === "deploy" && args[1] === "--dry-run"))).toEqual(
        [],
      );
    },
  );

  it("plans nothing if a bundle is too large: it exits 1 and names the bundle", () => {
    // More than luna-cron may have, and less than the others: what is random does not get smaller.
    writeFileSync(join(project, "bundle"), randomBytes(220 * 1_024));
    const { code, output } = deploy("--dry-run");
    rmSync(join(project, "bundle"));
    expect(code, output).toBe(1);
    expect(output).toContain("luna: too large: cron\n");
    expect(output).not.toContain("The first deployment");
  });

  it("refuses to begin without secrets, by name", () => {
    const { code, output } = deploy();
    expect(code, output).toBe(1);
    expect(output).toContain("luna: not set, but required");
    expect(output).toContain("ADMIN_TOKEN of luna-staging-api");
    expect(Object.keys(account().workers)).toEqual([]);
  });

  it("deploys everything the first time, smoke-tests it with the token, prints no secret", () => {
    const { code, output, smoked } = deploy("--secrets", "secrets");
    expect(code, output).toBe(0);
    expect(output).toContain("staging has this release");
    expect(output).not.toMatch(/a{32}|u{32}/);
    expect(Object.keys(account().workers)).toEqual([
      "luna-staging-api",
      "luna-staging-consumer",
      "luna-staging-cron",
    ]);
    expect(smoked).toEqual([
      ["https://staging.example", 32, "", "--mail-to oncall@example.com --run-task"],
    ]);
  });

  it("gives the traffic back and fails when the smoke test of the next version does", () => {
    const before = account();
    writeFileSync(join(project, "broken"), "");
    const { code, output, smoked } = deploy();
    expect(code, output).toBe(1);
    expect(output).toContain("back to the previous release: api");
    expect(output).toContain("luna: the smoke test failed");
    expect(smoked).toEqual([
      [
        "https://staging.example",
        32,
        'luna-staging-api="luna-staging-api-version-3"',
        "--run-task",
      ],
    ]);
    expect(account().workers["luna-staging-api"]?.traffic).toEqual(
      before.workers["luna-staging-api"]?.traffic,
    );
    expect(account().workers["luna-staging-cron"]).toEqual(before.workers["luna-staging-cron"]);
  });

  it("brings all three to the next release once it is fixed", () => {
    rmSync(join(project, "broken"));
    const { code, output, smoked } = deploy();
    expect(code, output).toBe(0);
    expect(smoked.map((one) => (one as string[])[3])).toEqual([
      "--run-task",
      "",
      "--mail-to oncall@example.com",
      "--run-task",
    ]);
    expect(
      Object.values(account().workers).map(({ traffic }) =>
        traffic.map(({ version_id: id }) => id),
      ),
    ).toEqual([
      ["luna-staging-api-version-4"],
      ["luna-staging-consumer-version-2"],
      ["luna-staging-cron-version-2"],
    ]);
  });

  it.each(["SIGINT", "SIGTERM", "SIGHUP"])(
    "gives the traffic back on %s: Ctrl-C, a cancelled job, a closed terminal",
    (signal) => {
      const before = account();
      writeFileSync(join(project, "interrupt"), signal);
      const { code, output } = deploy();
      rmSync(join(project, "interrupt"));
      expect(code, output).toBe(1);
      expect(output).toContain("luna: interrupted");
      expect(account().workers["luna-staging-api"]?.traffic).toEqual(
        before.workers["luna-staging-api"]?.traffic,
      );
    },
  );

  it("calls nothing that the real wrangler does not have", () => {
    const used = new Map<string, Set<string>>();
    for (const args of calls()) {
      const command =
        commands.find((words) => `${args.join(" ")} `.startsWith(`${words} `)) ??
        `unknown: ${args.join(" ")}`;
      const flags = args.filter((arg) => arg.startsWith("-"));
      used.set(command, new Set([...(used.get(command) ?? []), ...flags]));
    }
    expect([...used.keys()].toSorted()).toEqual(commands.toSorted());
    for (const [command, flags] of used) {
      const known = flagsOf(command);
      expect(known, command).not.toBeNull();
      for (const flag of flags)
        expect(known, command).toContain(flag.replace(/^--?/, "").replace(/=.*/, ""));
    }
  });

  it("refuses another environment by name", () => {
    const { code, output } = deploy("--env", "production2");
    expect(code).toBe(1);
    expect(output).toContain("--env must be one of production, staging");
  });
});
