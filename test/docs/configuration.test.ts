import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { workers } from "../../scripts/deploy/environments.ts";
import { variableNames } from "../../scripts/deploy/needed-variables.ts";
import { groups } from "../../scripts/deploy/variables.ts";
import { tiers } from "../../shared/accounts/rules/schemas.ts";
import {
  tierName as nameOfTier,
  trialDays,
  usageQuota as quotaOfMetric,
} from "../../shared/accounts/settings.ts";
import { alertSettings } from "../../shared/alerts/settings.ts";
import { databaseLimit } from "../../shared/database/settings.ts";
import {
  automaticEmails,
  isSent as isOneSent,
  type AutomaticEmail,
} from "../../shared/email/automatic-emails.ts";
import { brandOf } from "../../shared/email/brand.ts";
import { dailyLimits as limitsOfTier } from "../../shared/email/daily-limits.ts";
import { returnPathSettings, subscribedDomains } from "../../shared/email/feedback-settings.ts";
import { transportNames } from "../../shared/email/rules/transports.ts";
import {
  deadLetterRetentionDays,
  dnsResolver,
  emailTransports,
  resendWebhookSecret,
  retryPolicy,
  sender,
  sesTopic,
  transportRates,
  transportSettings as settingsOfTransport,
  unsubscribeSettings,
  waitLimits,
} from "../../shared/email/settings.ts";
import { cacheSettings } from "../../shared/lib/cache/rules/variables.ts";
import { breakerSettings } from "../../shared/lib/circuit-breaker/rules/variables.ts";
import { objectLocation } from "../../shared/lib/worker/placement.ts";
import { allowedTargets } from "../../shared/schedule/jobs/settings.ts";
import { outboundPolicy, secretsKey } from "../../shared/webhooks/settings.ts";
import { authSettings, corsOrigins } from "../../workers/api/settings.ts";
import { retentionSettings } from "../../workers/cron/settings.ts";
import type { Variables } from "../../workers/env.ts";
import { configurationRows } from "../support/configuration-table.ts";
import { settingsFiles, validatedVariables } from "../support/variables.ts";

const example = readFileSync(".dev.vars.example", "utf8");

/** What the Workers cannot do without, so that a reader's complaint is about another variable. */
const needed: Variables = {
  ADMIN_TOKEN: "x".repeat(32),
  EMAIL_FROM: "hello@luna.example",
  PUBLIC_URL: "https://luna.example",
  UNSUBSCRIBE_SECRET: "x".repeat(32),
  SMTP_HOST: "luna.example",
  RESEND_API_KEY: "key",
  SES_REGION: "us-east-1",
  SES_ACCESS_KEY_ID: "id",
  SES_SECRET_ACCESS_KEY: "key",
};
function transportSettings(vars: Variables): unknown {
  return transportNames.map((name) => settingsOfTransport(vars, name));
}
function isSent(vars: Variables): unknown {
  return Object.keys(automaticEmails).map((name) => isOneSent(vars, name as AutomaticEmail));
}
function dailyLimits(vars: Variables): unknown {
  return tiers.map((_, tier) => limitsOfTier(vars, tier));
}
function tierName(vars: Variables): unknown {
  return tiers.map((tier) => nameOfTier(vars, tier));
}
function usageQuota(vars: Variables): unknown {
  return quotaOfMetric(vars, "exports");
}
const readers: ((vars: Variables) => unknown)[] = [
  alertSettings,
  authSettings,
  brandOf,
  breakerSettings,
  cacheSettings,
  corsOrigins,
  dailyLimits,
  databaseLimit,
  deadLetterRetentionDays,
  dnsResolver,
  emailTransports,
  isSent,
  objectLocation,
  outboundPolicy,
  allowedTargets,
  resendWebhookSecret,
  retentionSettings,
  retryPolicy,
  returnPathSettings,
  secretsKey,
  sender,
  sesTopic,
  subscribedDomains,
  tierName,
  transportRates,
  transportSettings,
  trialDays,
  unsubscribeSettings,
  usageQuota,
  waitLimits,
];

/** A value of .dev.vars.example is the default if it has the same effect as no value. */
const defaults = new Map(
  [...example.matchAll(/^# ?([A-Z_]+)=(.+)$/gm)]
    .map(([, name = "", value = ""]) => [name, value] as const)
    .filter(([name, value]) =>
      readers.every(
        (read) =>
          JSON.stringify(read(needed)) === JSON.stringify(read({ ...needed, [name]: value })),
      ),
    ),
);

/** The files that a Worker is made of. */
function filesOf(worker: string): string[] {
  const files = new Set<string>();
  const open = [`workers/${worker}/index.ts`];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (files.has(file) || !existsSync(file)) continue;
    files.add(file);
    const imports = readFileSync(file, "utf8").matchAll(
      /^(?:import|export) (?!type)[^;]*?from "(\.[^"]+)"/gm,
    );
    for (const [, path = ""] of imports) open.push(join(dirname(file), path));
  }
  return [...files];
}

/** Files that only define what validates; `placement.ts` also calls it. */
const validators = new Set(settingsFiles.filter((file) => !file.endsWith("/placement.ts")));

describe("the list of variables", () => {
  it("has each variable that the settings validate once", () => {
    const listed = groups.flatMap(({ variables }) => variables.map(({ name }) => name as string));
    expect(listed.toSorted()).toEqual(validatedVariables.toSorted());
  });

  it("has each variable of .dev.vars.example and no other", () => {
    const explained = [...example.matchAll(/^# ?([A-Z_]+)=/gm)].map(([, name]) => name ?? "");
    expect(explained.toSorted()).toEqual([...variableNames].toSorted());
  });

  it.each(groups.map(({ reader, variables }) => [reader, variables] as const))(
    "names what %s validates",
    (_, variables) => {
      expect(validatedVariables).toEqual(expect.arrayContaining(variables.map(({ name }) => name)));
    },
  );

  it("gives each variable to the Workers that read it, and to no other", () => {
    const sources = workers.map((worker) => ({
      worker,
      text: filesOf(worker)
        .filter((file) => !validators.has(file))
        .map((file) => readFileSync(file, "utf8"))
        .join("\n"),
    }));
    const reading = groups.map(({ reader }) => ({
      reader,
      workers: sources
        .filter(({ text }) => text.includes(`${reader}(`))
        .map(({ worker }) => worker),
    }));
    expect(reading).toEqual(
      groups.map((group) => ({ reader: group.reader, workers: group.workers })),
    );
  });

  it("calls secret what must not stand in a file of the repository", () => {
    const secret = groups.flatMap(({ variables }) =>
      variables.filter((variable) => variable.secret).map(({ name }) => name as string),
    );
    const named = [...variableNames].filter((name) =>
      /TOKEN|SECRET|PASSWORD|USERNAME|API_KEY|WEBHOOK_URL/.test(name),
    );
    expect(secret.toSorted()).toEqual(named.toSorted());
    for (const file of [
      "environments/production.toml",
      "environments/staging.toml",
      ...workers.map((name) => `wrangler.${name}.toml`),
    ]) {
      for (const name of secret) expect(readFileSync(file, "utf8"), file).not.toContain(name);
    }
  });

  it("covers every reader of the settings", () => {
    expect(groups.map(({ reader }) => reader).toSorted()).toEqual(
      readers.map(({ name }) => name).toSorted(),
    );
  });
});

it("docs/reference/configuration.md has a row for each automatic email", () => {
  const page = readFileSync("docs/reference/configuration.md", "utf8");
  for (const [name, when] of Object.entries(automaticEmails)) {
    expect(page).toContain(`| \`${name}\` | ${when} |`);
    expect(example.replaceAll("\n# ", " ")).toContain(name);
  }
});

it("docs/reference/configuration.md has a row for each variable", () => {
  const rows = readFileSync("docs/reference/configuration.md", "utf8")
    .split("\n")
    .filter((line) => /^\| `[A-Z]/.test(line));
  expect(rows).toEqual(configurationRows(defaults));
});
