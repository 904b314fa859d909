import { describe, expect, it } from "vitest";
import { badVariables } from "../settings.ts";
import { emptyAccount, type Account } from "./account.ts";
import { badValue } from "./values.ts";

const vars = {
  EMAIL_FROM: "hello@example.com",
  PUBLIC_URL: "https://api.example.com",
  SMTP_HOST: "smtp.example.com",
};
const worker = (...secrets: string[]) => ({ traffic: [], objects: null, secrets });
/** The account after a deployment with every secret but the token that only reads. */
const deployed: Account = {
  ...emptyAccount,
  workers: {
    api: worker("ADMIN_TOKEN", "UNSUBSCRIBE_SECRET", "WEBHOOK_SECRET_RESEND", "ALERT_WEBHOOK_URL"),
    consumer: worker("UNSUBSCRIBE_SECRET", "SMTP_USERNAME", "SMTP_PASSWORD", "RESEND_API_KEY"),
    cron: worker("UNSUBSCRIBE_SECRET", "ALERT_WEBHOOK_URL"),
  },
};
const bad = (given: Record<string, string>, account = deployed) =>
  badValue({ ...vars, ...given }, account, badVariables)?.variable;

describe("values of a deployment, with secrets in the account that cannot be read", () => {
  it("is fine when a Worker would take it", () => {
    expect(bad({})).toBeUndefined();
    expect(bad({ EMAIL_TRANSPORTS: "resend,smtp" })).toBeUndefined();
  });

  it.each([
    ["EMAIL_MAX_RETRIES", "three"],
    ["ACCESS_TEAM_DOMAIN", "example.com"],
    ["ACCESS_AUDIENCE", "0123456789abcdef"],
    ["READONLY_TOKEN", "short"],
    ["UNSUBSCRIBE_SECRET", "short"],
    ["PRODUCT_COLOUR", "green"],
    ["PRODUCT_LOGO", "http://acme.example/logo.png 120x32"],
    ["AUTOMATIC_EMAILS_OFF", "all"],
    ["SECRETS_KEY", "short"],
    ["OUTBOUND_ALLOW_LOOPBACK", "true"],
  ])(
    "is refused by name, also when other variables of its part are secrets there: %s",
    (name, value) => {
      expect(bad({ [name]: value })).toBe(name);
    },
  );

  it("is refused also for Resend, whose key is there", () => {
    expect(bad({ EMAIL_TRANSPORTS: "resend", RESEND_BASE_URL: "http://resend.example" })).toBe(
      "RESEND_BASE_URL",
    );
  });

  it.each(["SMTP_USERNAME", "SMTP_PASSWORD"])(
    "may be one of two that belong together, when the other is there: %s",
    (name) => {
      expect(bad({ [name]: "another" })).toBeUndefined();
    },
  );

  it("may not be one of two when the other is nowhere", () => {
    expect(bad({ SMTP_PASSWORD: "another" }, emptyAccount)).toBe("SMTP_PASSWORD");
  });
});
