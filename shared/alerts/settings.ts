import * as v from "valibot";
import { address } from "../email/rules/address.ts";
import { ok, type Result } from "../lib/base/result.ts";
import {
  loopback,
  readVariables,
  wholeNumber,
  type Misconfigured,
  type VariablesOf,
} from "../lib/worker/variables.ts";

/** Whom to tell, and from how many failures on. A channel that is not set is not used. */
export type AlertSettings = { failures: number; email: string | null; webhookUrl: string | null };

const failures = v.object({ ALERT_FAILURES: wholeNumber(3, 1, 100) });
const email = v.object({
  ALERT_EMAIL: v.optional(v.union([v.literal(""), address], "must be one plain email address"), ""),
});
const webhook = v.pipe(
  v.object({
    ALERT_WEBHOOK_URL: v.optional(
      v.union([v.literal(""), v.pipe(v.string(), v.url())], "must be a URL"),
      "",
    ),
  }),
  v.forward(
    v.check(
      ({ ALERT_WEBHOOK_URL: url }) => url === "" || isSafe(new URL(url)),
      "must be https, but on loopback",
    ),
    ["ALERT_WEBHOOK_URL"],
  ),
);

const isSafe = ({ protocol, hostname }: URL): boolean =>
  protocol === "https:" || (protocol === "http:" && loopback.test(hostname));

export type AlertVariables = VariablesOf<typeof failures> &
  VariablesOf<typeof email> &
  VariablesOf<typeof webhook>;

/**
 * What can be used of the settings, whatever is wrong with the rest: a bad one must not silence
 * what the others would say.
 *
 * @returns in `wrong` what is wrong, if anything
 */
export function alertSettings(env: AlertVariables): AlertSettings & { wrong: Misconfigured[] } {
  const read = [
    readVariables(failures, env),
    readVariables(email, env),
    readVariables(webhook, env),
  ] as const;
  const [count, to, url] = read;
  return {
    failures: count.ok ? count.value.ALERT_FAILURES : 3,
    email: to.ok && to.value.ALERT_EMAIL !== "" ? to.value.ALERT_EMAIL : null,
    webhookUrl: url.ok && url.value.ALERT_WEBHOOK_URL !== "" ? url.value.ALERT_WEBHOOK_URL : null,
    wrong: read.flatMap((one) => (one.ok ? [] : [one.error])),
  };
}

/** The same for whoever starts Luna: a bad one is told before anything runs. */
export function checkAlertSettings(env: AlertVariables): Result<null, Misconfigured> {
  const [wrong] = alertSettings(env).wrong;
  return wrong === undefined ? ok(null) : { ok: false, error: wrong };
}
