import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeWrangler, type FakeAccount } from "../../test/support/fake-wrangler.ts";
import { badVariables } from "../settings.ts";
import { deploy, type SmokeTest } from "./deployment.ts";

/** Commands of wrangler that change nothing. */
const READS = new RegExp(
  "^(d1 list|d1 execute|d1 time-travel info|kv namespace list|queues info|" +
    "queues subscription list|r2 bucket info|deployments status|versions view|secret list)",
);

const nothing: FakeAccount = {
  databases: [],
  namespaces: [],
  queues: [],
  buckets: [],
  workers: {},
};
const ADMIN_TOKEN = "a".repeat(32);
const SENDER = 'EMAIL_FROM = "Luna <hello@example.com>"';

let directory = "";
/** What the smoke test was asked, and at which of its runs it fails. */
let smokes: SmokeTest[] = [];
let failingSmoke = 0;
let printed: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "luna-deployment-"));
  smokes = [];
  failingSmoke = 0;
  printed = [];
  for (const name of ["production", "staging"]) writeEnvironment(name);
  writeFileSync(
    join(directory, "secrets"),
    [
      `ADMIN_TOKEN=${ADMIN_TOKEN}`,
      `UNSUBSCRIBE_SECRET=${"u".repeat(32)}`,
      "SMTP_PASSWORD='p$w'",
      "SMTP_USERNAME=luna\n",
    ].join("\n"),
  );
});
afterEach(() => rmSync(directory, { recursive: true }));

function writeEnvironment(
  name: string,
  lines = 'steps = [0, 10, 100]\nsmokeTestTo = "smoke@example.com"',
  vars = `${SENDER}\nPUBLIC_URL = "https://${name}.example"\nSMTP_HOST = "smtp.example"`,
) {
  writeFileSync(join(directory, `${name}.toml`), `pauseSeconds = 7\n${lines}\n[vars]\n${vars}\n`);
}

async function deployTo(
  account: FakeAccount,
  change: {
    environment?: "staging";
    secrets?: boolean;
    fail?: string;
    token?: string | undefined;
    sendsEmail?: boolean;
  } = {},
) {
  const wrangler = new FakeWrangler(account, change.fail);
  const pauses: number[] = [];
  const outcome = deploy({
    environment: change.environment ?? "production",
    secretsFile: change.secrets === true ? join(directory, "secrets") : undefined,
    token: "token" in change ? change.token : ADMIN_TOKEN,
    sendsEmail: change.sendsEmail ?? true,
    wrangler,
    build: () => undefined,
    smoke(test) {
      smokes.push(test);
      if (smokes.length === failingSmoke) throw new Error("the smoke test failed");
    },
    pause: async (seconds) => void (seconds > 0 && pauses.push(seconds)),
    print: (line) => void printed.push(line),
    directories: { environments: directory, generated: directory },
    badVariables,
  });
  return {
    outcome: await outcome.catch((error: unknown) => error as Error),
    pauses,
    changes: changesOf(wrangler.calls),
    account: wrangler.account,
  };
}

/** The calls that change something, without the paths. */
function changesOf(calls: string[][]): string[] {
  return calls
    .map((args) => args.join(" "))
    .map((line) =>
      line
        .replaceAll(/\S*\/wrangler\.(\S+)\.json/g, "$1")
        .replace(/ --secrets-file \S+/, " +secrets"),
    )
    .filter((line) => !READS.test(line));
}

/** The account after its first deployment. */
const deployed: FakeAccount = {
  databases: ["luna"],
  namespaces: ["luna-cache"],
  queues: [
    "luna-email",
    "luna-email-dlq",
    "luna-email-feedback",
    "luna-webhook",
    "luna-webhook-slow",
    "luna-job",
  ],
  buckets: ["luna-attachments"],
  workers: {
    "luna-api": worker("luna-api", 2, "v4", ["ADMIN_TOKEN", "UNSUBSCRIBE_SECRET"]),
    "luna-consumer": worker("luna-consumer", 1, null, [
      "UNSUBSCRIBE_SECRET",
      "SMTP_USERNAME",
      "SMTP_PASSWORD",
    ]),
    "luna-cron": worker("luna-cron", 1, null, ["UNSUBSCRIBE_SECRET"]),
  },
};

function worker(
  name: string,
  count: number,
  tag: string | null,
  secrets: string[],
): FakeAccount["workers"][string] {
  const versions = Array.from({ length: count }, (_, n) => `${name}-version-${n + 1}`);
  return {
    versions,
    traffic: [{ version_id: `${name}-version-${count}`, percentage: 100 }],
    tag,
    secrets,
  };
}

/** That account with another luna-api. */
function withApi(change: Partial<FakeAccount["workers"][string]>): FakeAccount {
  const api = worker("luna-api", 2, "v4", ["ADMIN_TOKEN", "UNSUBSCRIBE_SECRET"]);
  return { ...deployed, workers: { ...deployed.workers, "luna-api": { ...api, ...change } } };
}

const trafficOf = (account: FakeAccount, name: string) =>
  Object.fromEntries(
    (account.workers[name]?.traffic ?? []).map(({ version_id: id, percentage }) => [
      id,
      percentage,
    ]),
  );

describe("the first deployment", () => {
  it("creates what is missing, migrates, and goes round the circle of bindings", async () => {
    const { outcome, changes: done, account } = await deployTo(nothing, { secrets: true });
    expect(outcome).toEqual({ ok: true });
    expect(done).toEqual([
      "d1 create luna",
      "kv namespace create luna-cache",
      "queues create luna-email",
      "queues create luna-email-dlq",
      "queues create luna-email-feedback",
      "queues create luna-webhook",
      "queues create luna-webhook-slow",
      "queues create luna-job",
      "r2 bucket create luna-attachments",
      "d1 migrations apply DB --remote -c api",
      "deploy -c api.first +secrets",
      "deploy -c consumer +secrets",
      "deploy -c cron +secrets",
      "deploy -c api +secrets",
    ]);
    expect(account).toEqual(deployed);
  });

  it("of an account without R2 leaves out the bucket, and nothing else", async () => {
    const withoutR2: FakeAccount = { ...nothing, withoutR2: true };
    const { outcome, changes: done, account } = await deployTo(withoutR2, { secrets: true });
    expect(outcome).toEqual({ ok: true });
    expect(done.filter((line) => line.startsWith("r2"))).toEqual([]);
    expect(account).toEqual({ ...deployed, buckets: [], withoutR2: true });
  });

  it("gives each Worker only its secrets, from a private file that it deletes", async () => {
    const { account } = await deployTo(nothing, { secrets: true });
    const secrets = Object.values(account.workers).map((one) => one.secrets);
    expect(secrets).toEqual(Object.values(deployed.workers).map((one) => one.secrets));
    expect(
      readdirSync(join(directory, "production")).filter((file) => file.includes("secret")),
    ).toEqual([]);
    expect(printed.join("\n")).not.toContain(ADMIN_TOKEN);
  });

  it("is refused before anything changes and names every missing value", async () => {
    writeEnvironment("production", "", "");
    const { outcome, changes: done } = await deployTo(nothing);
    expect((outcome as Error).message).toContain(
      "ADMIN_TOKEN of luna-api: into the file of --secrets",
    );
    expect((outcome as Error).message).toContain(
      "UNSUBSCRIBE_SECRET of luna-api, luna-consumer, luna-cron: into the file of --secrets",
    );
    expect((outcome as Error).message).toContain(
      "SMTP_HOST of luna-consumer: into [vars] of environments/production.toml",
    );
    expect(done).toEqual([]);
  });

  it("is refused before anything changes when a Worker would refuse a value", async () => {
    writeEnvironment(
      "production",
      undefined,
      `${SENDER}\nPUBLIC_URL = "https://a.example/path"\nSMTP_HOST = "smtp.example"`,
    );
    const { outcome, changes: done } = await deployTo(nothing, { secrets: true });
    expect((outcome as Error).message).toContain("PUBLIC_URL must be a URL without a path");
    expect(done).toEqual([]);
  });

  it("has a sender of its own, never the one of local runs", async () => {
    writeEnvironment(
      "production",
      "",
      'PUBLIC_URL = "https://a.example"\nSMTP_HOST = "smtp.example"',
    );
    const { outcome, changes: done } = await deployTo(nothing, { secrets: true });
    expect((outcome as Error).message).toContain(
      [
        "EMAIL_FROM of luna-api, luna-consumer, luna-cron:",
        "into [vars] of environments/production.toml",
      ].join(" "),
    );
    expect(done).toEqual([]);
  });

  it("is looked at where it is, also when that stands in the file of secrets", async () => {
    writeEnvironment("production", undefined, `${SENDER}\nSMTP_HOST = "smtp.example"`);
    appendFileSync(join(directory, "secrets"), "PUBLIC_URL=https://secret.example\n");
    const { account } = await deployTo(nothing, { secrets: true });
    expect(new Set(smokes.map(({ url }) => url))).toEqual(new Set(["https://secret.example"]));
    // Nobody can read it there.
    const { outcome, changes: done } = await deployTo(account);
    expect((outcome as Error).message).toContain("PUBLIC_URL of luna-api");
    expect(done).toEqual([]);
  });

  it("is refused for an invalid value, and does not ask again for secrets it has", async () => {
    expect((await deployTo(deployed)).outcome).toEqual({ ok: true });
    writeEnvironment(
      "production",
      undefined,
      [
        SENDER,
        'PUBLIC_URL = "https://a.example"',
        'SMTP_HOST = "smtp.example"',
        'EMAIL_MAX_RETRIES = "three"',
      ].join("\n"),
    );
    const { outcome, changes: done } = await deployTo(deployed);
    expect((outcome as Error).message).toContain("EMAIL_MAX_RETRIES");
    expect(done).toEqual([]);
  });

  it("goes on where it was left: what is there is not created again", async () => {
    const half = { ...nothing, databases: ["luna"], queues: ["luna-email"] };
    const { outcome, changes: done } = await deployTo(half, { secrets: true });
    expect(outcome).toEqual({ ok: true });
    expect(done.slice(0, 8)).toEqual([
      "kv namespace create luna-cache",
      "queues create luna-email-dlq",
      "queues create luna-email-feedback",
      "queues create luna-webhook",
      "queues create luna-webhook-slow",
      "queues create luna-job",
      "r2 bucket create luna-attachments",
      "d1 migrations apply DB --remote -c api",
    ]);
  });

  it("reports that it cannot go back when its smoke test fails", async () => {
    failingSmoke = 1;
    const { outcome } = await deployTo(nothing, { secrets: true });
    expect(outcome).toEqual({
      ok: false,
      reason: "the smoke test failed",
      back: [],
      notBack: ["api", "consumer", "cron"],
    });
  });
});

describe("each deployment after that", () => {
  it("gives luna-api traffic step by step, each after a smoke test of the version", async () => {
    const { outcome, changes: done, pauses, account } = await deployTo(deployed);
    expect(outcome).toEqual({ ok: true });
    expect(done).toEqual([
      "d1 migrations apply DB --remote -c api",
      "versions upload -c api",
      "versions deploy luna-api-version-3@0 luna-api-version-2@100 --yes -c api",
      "versions deploy luna-api-version-3@10 luna-api-version-2@90 --yes -c api",
      "versions deploy luna-api-version-3@100 --yes -c api",
      "triggers deploy -c api",
      "versions upload -c consumer",
      "versions deploy luna-consumer-version-2@100 --yes -c consumer",
      "triggers deploy -c consumer",
      "versions upload -c cron",
      "versions deploy luna-cron-version-2@100 --yes -c cron",
      "triggers deploy -c cron",
    ]);
    expect(pauses).toEqual([7, 7, 7, 7, 7]);
    const pinned = 'luna-api="luna-api-version-3"';
    expect(smokes.map(({ override }) => override)).toEqual([
      pinned,
      pinned,
      null,
      null,
      null,
      null,
    ]);
    expect(smokes[0]?.url).toBe("https://production.example");
    expect(trafficOf(account, "luna-api")).toEqual({ "luna-api-version-3": 100 });
  });

  it("sends a given secret to the Workers that read it, and leaves the others", async () => {
    writeFileSync(join(directory, "secrets"), `READONLY_TOKEN=${"r".repeat(32)}\n`);
    const { outcome, changes: done, account } = await deployTo(deployed, { secrets: true });
    expect(outcome).toEqual({ ok: true });
    expect(done.filter((line) => line.startsWith("versions upload"))).toEqual([
      "versions upload -c api +secrets",
      "versions upload -c consumer",
      "versions upload -c cron",
    ]);
    expect(Object.values(account.workers).map(({ secrets }) => secrets)).toEqual([
      ["ADMIN_TOKEN", "UNSUBSCRIBE_SECRET", "READONLY_TOKEN"],
      ["UNSUBSCRIBE_SECRET", "SMTP_USERNAME", "SMTP_PASSWORD"],
      ["UNSUBSCRIBE_SECRET"],
    ]);
  });

  it.each([
    [1, "0"],
    [2, "10"],
    [4, "100"],
  ])(
    "gives the traffic back when smoke test %i fails, at %s %%, and touches nothing else",
    async (failing) => {
      failingSmoke = failing;
      const { outcome, account, changes: done } = await deployTo(deployed);
      expect(outcome).toEqual({
        ok: false,
        reason: "the smoke test failed",
        back: ["api"],
        notBack: [],
      });
      expect(trafficOf(account, "luna-api")).toEqual({ "luna-api-version-2": 100 });
      expect(done.at(-1)).toBe(
        [
          "versions deploy luna-api-version-2@100",
          "--durable-objects-code-update-mode immediate --yes -c api",
        ].join(" "),
      );
      expect(
        done.filter((line) => line.includes("-c consumer") || line.includes("-c cron")),
      ).toEqual([]);
    },
  );

  it("gives all traffic back, in reverse order, when the last Worker fails", async () => {
    failingSmoke = 6;
    const { outcome, account } = await deployTo(deployed);
    expect(outcome).toMatchObject({ ok: false, back: ["cron", "consumer", "api"], notBack: [] });
    expect(Object.keys(account.workers).map((name) => trafficOf(account, name))).toEqual([
      { "luna-api-version-2": 100 },
      { "luna-consumer-version-1": 100 },
      { "luna-cron-version-1": 100 },
    ]);
  });

  it("stops when the database cannot be migrated: no Worker is touched", async () => {
    const {
      outcome,
      changes: done,
      account,
    } = await deployTo(deployed, { fail: "migrations apply" });
    expect(outcome).toMatchObject({ ok: false, back: [], notBack: [] });
    expect(done).toEqual(["d1 migrations apply DB --remote -c api"]);
    expect(account.workers).toEqual(deployed.workers);
  });

  it("gives the traffic back also when a command fails half-way", async () => {
    const { outcome, account } = await deployTo(deployed, { fail: "@10 " });
    expect(outcome).toMatchObject({ ok: false, back: ["api"], notBack: [] });
    expect(trafficOf(account, "luna-api")).toEqual({ "luna-api-version-2": 100 });
  });

  it("names a Worker whose traffic could not be given back", async () => {
    failingSmoke = 2;
    const { outcome } = await deployTo(deployed, { fail: "luna-api-version-2@100 --durable" });
    expect(outcome).toMatchObject({ ok: false, back: [], notBack: ["api"] });
  });

  it("deploys luna-api at once when its objects migrate: that has no way back", async () => {
    const { outcome, changes: done } = await deployTo(withApi({ tag: "v2" }));
    expect(outcome).toEqual({ ok: true });
    expect(done.filter((line) => line.endsWith("-c api"))).toEqual([
      "d1 migrations apply DB --remote -c api",
      "deploy -c api",
    ]);
    failingSmoke = smokes.length + 1;
    const { outcome: failed } = await deployTo(withApi({ tag: null }));
    expect(failed).toMatchObject({ ok: false, back: [], notBack: ["api"] });
  });

  it("is refused while traffic is split, with the commands that decide", async () => {
    const traffic = [
      { version_id: "luna-api-version-1", percentage: 40 },
      { version_id: "luna-api-version-2", percentage: 60 },
    ];
    const { outcome, changes: done } = await deployTo(withApi({ traffic }));
    expect((outcome as Error).message).toContain(
      "npx wrangler versions deploy luna-api-version-2@100 --yes --name luna-api   # now 60 %",
    );
    expect(done).toEqual([]);
  });

  it("refuses a secret that is a variable too, and one that nothing reads", async () => {
    writeFileSync(join(directory, "secrets"), "SMTP_HOST=secret.example\n");
    expect((await deployTo(deployed, { secrets: true })).outcome).toMatchObject({
      message: "both in [vars] and in the file of --secrets: SMTP_HOST",
    });
    writeFileSync(join(directory, "secrets"), "ADMIN_TOKN=x\n");
    expect((await deployTo(deployed, { secrets: true })).outcome).toMatchObject({
      message: expect.stringContaining("there is no variable ADMIN_TOKN") as string,
    });
  });

  it("reports wrangler's message when the account cannot be read", async () => {
    const { outcome, changes: done } = await deployTo(nothing, { fail: "deployments status" });
    expect((outcome as Error).message).toMatch(
      /wrangler deployments status .* failed:\s+✘ \[ERROR\] scripted to fail/,
    );
    expect(done).toEqual([]);
  });
});

describe("the smoke test", () => {
  /** What each of them does besides reading. */
  const acts = () => smokes.map(({ emailTo, runsTask }) => [emailTo !== null, runsTask]);

  it("of the first deployment sends an email and runs a task", async () => {
    await deployTo(nothing, { secrets: true, token: undefined });
    expect(smokes).toEqual([
      {
        url: "https://production.example",
        token: ADMIN_TOKEN,
        override: null,
        emailTo: "smoke@example.com",
        runsTask: true,
      },
    ]);
  });

  it("of a later one runs a task before and after, and sends an email by the consumer", async () => {
    await deployTo(deployed);
    expect(acts()).toEqual([
      [false, true],
      [false, false],
      [false, false],
      [false, false],
      [true, false],
      [false, true],
    ]);
  });

  it("gives the traffic of a consumer that does not deliver back", async () => {
    failingSmoke = 5;
    const { outcome, account } = await deployTo(deployed);
    expect(smokes.at(-1)?.emailTo).toBe("smoke@example.com");
    expect(outcome).toMatchObject({ ok: false, back: ["consumer", "api"], notBack: [] });
    expect(trafficOf(account, "luna-consumer")).toEqual({ "luna-consumer-version-1": 100 });
  });

  it("sends to ALERT_EMAIL where the environment names no other address", async () => {
    const vars = `${SENDER}\nPUBLIC_URL = "https://a.example"\nSMTP_HOST = "smtp.example"`;
    writeEnvironment("production", "", `${vars}\nALERT_EMAIL = "oncall@example.com"`);
    await deployTo(deployed);
    expect(smokes.map(({ emailTo }) => emailTo)).toContain("oncall@example.com");
  });

  it("that could not see a Worker is refused before anything changes, by what it lacks", async () => {
    writeEnvironment("production", "");
    const { outcome, changes: done } = await deployTo(deployed, { token: undefined });
    expect((outcome as Error).message.split("\n")).toEqual([
      "the smoke test could not look at all three Workers:",
      "  no admin token: set LUNA_TOKEN, or name the file of --secrets that has ADMIN_TOKEN",
      "  no recipient of its email: set smokeTestTo in environments/production.toml, or " +
        "ALERT_EMAIL; --no-email deploys without one",
    ]);
    expect(done).toEqual([]);
    expect((await deployTo(deployed, { sendsEmail: false })).outcome).toEqual({ ok: true });
    expect(smokes.map(({ emailTo }) => emailTo)).toEqual(smokes.map(() => null));
  });
});

describe("before it changes anything, a deployment", () => {
  it("prints the bookmark of Time Travel that undoes the migrations", async () => {
    const { outcome } = await deployTo(deployed, { fail: "migrations apply" });
    expect(outcome).toMatchObject({ ok: false });
    expect(printed).toContainEqual(
      expect.stringMatching(/npx wrangler d1 time-travel restore luna --bookmark=[0-9a-f-]{20,}$/),
    );
  });

  it("stops where there is no bookmark: nothing is migrated", async () => {
    const { outcome, changes: done } = await deployTo(deployed, { fail: "time-travel" });
    expect(outcome).toMatchObject({ ok: false, back: [], notBack: [] });
    expect(done).toEqual([]);
  });

  it("lists each secret that nothing reads, with the command that removes it", async () => {
    const secrets = ["ADMIN_TOKEN", "UNSUBSCRIBE_SECRET", "OLD_TOKEN"];
    await deployTo(withApi({ secrets }));
    expect(printed.filter((line) => line.includes("secret delete"))).toEqual([
      "luna-api has the secret OLD_TOKEN, which this release does not read: " +
        "npx wrangler secret delete OLD_TOKEN --name luna-api",
    ]);
  });

  it("lists each secret that the given file no longer has", async () => {
    const secrets = ["ADMIN_TOKEN", "UNSUBSCRIBE_SECRET", "READONLY_TOKEN"];
    await deployTo(withApi({ secrets }), { secrets: true });
    expect(printed.filter((line) => line.includes("secret delete"))).toEqual([
      "luna-api has the secret READONLY_TOKEN, which is not in the file of --secrets, and stays: " +
        "npx wrangler secret delete READONLY_TOKEN --name luna-api",
    ]);
  });
});

describe("staging beside production in one account", () => {
  it("has everything of its own, and leaves production alone", async () => {
    const { outcome, account } = await deployTo(deployed, {
      environment: "staging",
      secrets: true,
    });
    expect(outcome).toEqual({ ok: true });
    expect(account.databases).toEqual(["luna", "luna-staging"]);
    expect(account.namespaces).toEqual(["luna-cache", "luna-staging-cache"]);
    expect(account.queues).toEqual([
      "luna-email",
      "luna-email-dlq",
      "luna-email-feedback",
      "luna-webhook",
      "luna-webhook-slow",
      "luna-job",
      "luna-staging-email",
      "luna-staging-email-dlq",
      "luna-staging-email-feedback",
      "luna-staging-webhook",
      "luna-staging-webhook-slow",
      "luna-staging-job",
    ]);
    expect(account.buckets).toEqual(["luna-attachments", "luna-staging-attachments"]);
    for (const [name, before] of Object.entries(deployed.workers))
      expect(account.workers[name]).toEqual(before);
    expect(Object.keys(account.workers).length).toBe(6);
    expect(smokes.at(-1)).toEqual({
      url: "https://staging.example",
      token: ADMIN_TOKEN,
      override: null,
      emailTo: "smoke@example.com",
      runsTask: true,
    });
  });
});

describe("the domains of senders whose events come", () => {
  const zone = "a".repeat(32);
  const withDomains = (...domains: string[]) =>
    writeEnvironment(
      "production",
      [
        'steps = [0, 100]\nsmokeTestTo = "smoke@example.com"\n[feedbackDomains]',
        ...domains.map((domain) => `"${domain}" = "${zone}"`),
      ].join("\n"),
    );
  const events = "delivered deferred bounced rejected complained failed"
    .split(" ")
    .map((event) => `message.${event}`)
    .join(",");
  const subscribing = (domain: string) =>
    `queues subscription create luna-email-feedback --source email.sending --events ${events} ` +
    `--domain ${domain} --zone-id ${zone}`;
  const subscribed = (changes: string[]) =>
    changes.filter((line) => line.startsWith("queues subscription"));

  it("are subscribed once each, after the queue is there, and given to luna-api", async () => {
    withDomains("example.com", "news.example.com");
    const first = await deployTo(nothing, { secrets: true });
    expect(first.outcome).toEqual({ ok: true });
    expect(subscribed(first.changes)).toEqual([
      subscribing("example.com"),
      subscribing("news.example.com"),
    ]);
    expect(first.changes.indexOf("queues create luna-email-feedback")).toBeLessThan(
      first.changes.indexOf(subscribing("example.com")),
    );
    const config = readFileSync(join(directory, "production", "wrangler.api.json"), "utf8");
    expect(JSON.parse(config).vars.CLOUDFLARE_FEEDBACK_DOMAINS).toBe(
      "example.com,news.example.com",
    );
    expect(subscribed((await deployTo(first.account)).changes)).toEqual([]);
    withDomains("example.com", "third.example");
    expect(subscribed((await deployTo(first.account)).changes)).toEqual([
      subscribing("third.example"),
    ]);
  });

  it("that Cloudflare refuses stop the deployment before anything gets traffic", async () => {
    withDomains("example.com");
    const { outcome, changes } = await deployTo(deployed, { fail: "subscription create" });
    expect(outcome).toMatchObject({ ok: false, notBack: [] });
    expect(changes.at(-1)).toBe(subscribing("example.com"));
  });

  it.each([
    ['"example.com" = "zone"', "must have the id of the domain's zone"],
    [`"nothing" = "${zone}"`, "must have domains such as example.com"],
  ])("that are not well written are refused: %s", async (line, message) => {
    writeEnvironment("production", `[feedbackDomains]\n${line}`);
    const { outcome, changes } = await deployTo(deployed);
    expect(outcome).toMatchObject({ message: expect.stringContaining(message) });
    expect(changes).toEqual([]);
  });

  it("are given as a table, not by the variable that is made from the table", async () => {
    const vars = `${SENDER}\nCLOUDFLARE_FEEDBACK_DOMAINS = "example.com"`;
    writeEnvironment("production", "", vars);
    const { outcome } = await deployTo(deployed);
    expect(outcome).toMatchObject({ message: expect.stringContaining("[feedbackDomains]") });
  });
});

it("is refused before a migration that would copy more emails than D1 can at once, with a paged copy", async () => {
  const many = await deployTo({ ...deployed, emails: 300_001 });
  expect(many.outcome).toMatchObject({
    message: expect.stringContaining("more than 300000 emails"),
  });
  expect(many.outcome).toMatchObject({
    message: expect.stringContaining("npx wrangler d1 execute luna --remote --yes --file page.sql"),
  });
  expect(many.changes).toEqual([]);
  expect((await deployTo({ ...deployed, emails: 300_000 })).outcome).toEqual({ ok: true });
});
