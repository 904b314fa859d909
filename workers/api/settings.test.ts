import { describe, expect, it } from "vitest";
import {
  deadLetterRetentionDays,
  emailTransports,
  retryPolicy,
  sender,
  transportRates,
  transportSettings,
} from "../../shared/email/settings.ts";
import { breakerSettings } from "../../shared/lib/circuit-breaker/rules/variables.ts";
import type { Variables } from "../env.ts";
import { authSettings } from "./settings.ts";

const bad = (variable: string) => ({ ok: false, error: { tag: "misconfigured", variable } });

const smtpSettings = (vars: Variables) => transportSettings(vars, "smtp");
const resendSettings = (vars: Variables) => transportSettings(vars, "resend");

describe("the variables", () => {
  it("of the retries have the mission's defaults", () => {
    expect(retryPolicy({})).toEqual({
      ok: true,
      value: { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 },
    });
    expect(deadLetterRetentionDays({})).toEqual({ ok: true, value: 7 });
  });

  it.each([
    ["EMAIL_MAX_RETRIES", "three"],
    ["EMAIL_MAX_RETRIES", "-1"],
    ["EMAIL_MAX_RETRIES", "21"],
    ["EMAIL_BASE_DELAY_SECONDS", "0"],
    ["EMAIL_MAX_DELAY_SECONDS", "1.5"],
  ])("are refused by name: %s=%s", (variable, value) => {
    expect(retryPolicy({ [variable]: value })).toMatchObject(bad(variable));
  });

  it("of the breakers have the mission's defaults", () => {
    const value = {
      failures: 5,
      failureRatio: 0.5,
      windowMs: 60_000,
      openMs: 30_000,
      leaseMs: 5_000,
    };
    expect(breakerSettings({})).toMatchObject({ ok: true, value });
  });

  it.each([
    ["BREAKER_FAILURES", "0"],
    ["BREAKER_FAILURE_RATIO", "1.1"],
    ["BREAKER_FAILURE_RATIO", "half"],
    ["BREAKER_WINDOW_SECONDS", "0"],
    ["BREAKER_OPEN_SECONDS", "301"],
  ])("of the breakers are refused by name: %s=%s", (variable, value) => {
    expect(breakerSettings({ [variable]: value })).toMatchObject(bad(variable));
  });

  it("never show their value when they are refused", () => {
    expect(JSON.stringify(authSettings({ ADMIN_TOKEN: "hunter2" }))).not.toContain("hunter2");
    expect(JSON.stringify(sender({ EMAIL_FROM: "hunter2" }))).not.toContain("hunter2");
  });

  it.each([
    "evil.example",
    "evil.example/luna.cloudflareaccess.com",
    "luna.cloudflareaccess.com.evil.example",
  ])(
    "name no other host as the one whose keys sign admins in: ACCESS_TEAM_DOMAIN=%s",
    (ACCESS_TEAM_DOMAIN) => {
      const given = { ADMIN_TOKEN: "a".repeat(32), ACCESS_AUDIENCE: "b".repeat(32) };
      expect(
        authSettings({ ...given, ACCESS_TEAM_DOMAIN: "luna.cloudflareaccess.com" }),
      ).toMatchObject({ ok: true });
      expect(authSettings({ ...given, ACCESS_TEAM_DOMAIN })).toMatchObject(
        bad("ACCESS_TEAM_DOMAIN"),
      );
    },
  );

  it("must be there where there is no default", () => {
    expect(authSettings({})).toMatchObject(bad("ADMIN_TOKEN"));
    expect(sender({})).toMatchObject(bad("EMAIL_FROM"));
    expect(smtpSettings({})).toMatchObject(bad("SMTP_HOST"));
  });
});

describe("SMTP", () => {
  it("is encrypted unless the server is on loopback and its setting allows plain text", () => {
    expect(smtpSettings({ SMTP_HOST: "smtp.example.com" })).toMatchObject({
      value: { port: 587, security: "starttls", credentials: null },
    });
    expect(smtpSettings({ SMTP_HOST: "127.0.0.1", SMTP_SECURITY: "none" })).toMatchObject({
      value: { security: "none" },
    });
    expect(smtpSettings({ SMTP_HOST: "smtp.example.com", SMTP_SECURITY: "none" })).toMatchObject(
      bad("SMTP_SECURITY"),
    );
    expect(
      smtpSettings({ SMTP_HOST: "127.0.0.1.example.com", SMTP_SECURITY: "none" }),
    ).toMatchObject(bad("SMTP_SECURITY"));
  });

  it("has a user and a password, or neither", () => {
    expect(smtpSettings({ SMTP_HOST: "h", SMTP_USERNAME: "u", SMTP_PASSWORD: "p" })).toMatchObject({
      value: { credentials: { user: "u", pass: "p" } },
    });
    expect(smtpSettings({ SMTP_HOST: "h", SMTP_USERNAME: "u" })).toMatchObject(
      bad("SMTP_PASSWORD"),
    );
    expect(smtpSettings({ SMTP_HOST: "h", SMTP_USERNAME: "", SMTP_PASSWORD: "" })).toMatchObject({
      value: { credentials: null },
    });
  });
});

describe("the transports", () => {
  it("are SMTP alone unless others are named, and are tried in the order of their names", () => {
    expect(emailTransports({})).toEqual({ ok: true, value: ["smtp"] });
    expect(emailTransports({ EMAIL_TRANSPORTS: "resend, smtp,cloudflare" })).toEqual({
      ok: true,
      value: ["resend", "smtp", "cloudflare"],
    });
  });

  it.each(["", "smtp,", "sendgrid", "smtp,smtp", "smtp resend"])("are refused as %j", (value) => {
    expect(emailTransports({ EMAIL_TRANSPORTS: value })).toMatchObject(bad("EMAIL_TRANSPORTS"));
  });

  it("have a rate where their provider has one", () => {
    expect(transportRates({})).toEqual({
      ok: true,
      value: { smtp: null, cloudflare: null, resend: 200, ses: 1_000 / 14 },
    });
    expect(
      transportRates({ RESEND_RATE_PER_SECOND: "0", SMTP_RATE_PER_SECOND: "50" }),
    ).toMatchObject({
      value: { smtp: 20, resend: null },
    });
    expect(transportRates({ SMTP_RATE_PER_SECOND: "fast" })).toMatchObject(
      bad("SMTP_RATE_PER_SECOND"),
    );
  });

  it("reach Resend with a key, over https unless it is on loopback", () => {
    expect(resendSettings({ RESEND_API_KEY: "re_1" })).toEqual({
      ok: true,
      value: { apiKey: "re_1", baseUrl: "https://api.resend.com" },
    });
    expect(
      resendSettings({ RESEND_API_KEY: "re_1", RESEND_BASE_URL: "http://127.0.0.1:80/" }),
    ).toMatchObject({
      value: { baseUrl: "http://127.0.0.1:80" },
    });
    expect(resendSettings({})).toMatchObject(bad("RESEND_API_KEY"));
    expect(resendSettings({ RESEND_API_KEY: "a\r\nb" })).toMatchObject(bad("RESEND_API_KEY"));
    expect(
      resendSettings({ RESEND_API_KEY: "re_1", RESEND_BASE_URL: "http://resend.example" }),
    ).toMatchObject(bad("RESEND_BASE_URL"));
  });
});
