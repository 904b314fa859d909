import * as v from "valibot";
import { ok, type Result } from "../lib/base/result.ts";
import { readVariables, type Misconfigured, type VariablesOf } from "../lib/worker/variables.ts";

/**
 * Every email that is sent without a request for it, and when. Each can be switched off. Alerts are
 * not among them: without `ALERT_EMAIL` none is sent.
 */
export const automaticEmails = {
  welcome: "after a sign-up",
  "trial-expiry": "before a trial ends",
  "usage-report": "each Monday, to users who used something in the week before",
  digest: "each day, to `ALERT_EMAIL`",
  "address-confirmation": "when a user asks for another address, to that address",
  "address-in-use": "when a user asks for the address of another account, to that account",
  "address-change-requested": "when a user asks for another address, to the present one",
  "address-changed": "when the address of an account was changed, to the one before",
  "api-key-created": "when a user got one more API key",
  "api-key-rotated": "when an API key was replaced",
  "api-key-revoked": "when an API key was revoked",
  "sender-unverified": "when the DNS record of a verified domain is gone for three days",
  "account-deleted": "when an account was deleted",
  "team-invitation": "when an address is invited to a team, to that address",
} as const;

export type AutomaticEmail = keyof typeof automaticEmails;
const names = Object.keys(automaticEmails) as [AutomaticEmail, ...AutomaticEmail[]];

const variables = v.object({
  AUTOMATIC_EMAILS_OFF: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) =>
        text
          .split(",")
          .map((name) => name.trim())
          .filter((name) => name !== ""),
      ),
      v.array(v.picklist(names, `must list some of ${names.join(", ")}`)),
    ),
    "",
  ),
});

export type AutomaticEmailVariables = VariablesOf<typeof variables>;

/** Whether an automatic email is sent. While the variable is invalid, all are. */
export function isSent(env: AutomaticEmailVariables, name: AutomaticEmail): boolean {
  const read = readVariables(variables, env);
  return !read.ok || !read.value.AUTOMATIC_EMAILS_OFF.includes(name);
}

/** For the start and for deployments, and for the alert about invalid settings. */
export function checkAutomaticEmails(env: AutomaticEmailVariables): Result<null, Misconfigured> {
  const read = readVariables(variables, env);
  return read.ok ? ok(null) : read;
}
