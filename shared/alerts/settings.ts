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

/** Whom to notify, and from how many failures on. Null: the channel is not used. */
export type AlertSettings = { failures: number; email: string | null; webhookUrl: string | null };

const DEFAULT_FAILURES = 3;
const failures = v.object({ ALERT_FAILURES: wholeNumber(DEFAULT_FAILURES, 1, 100) });
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
      "must be https, except on loopback",
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
 * The valid settings. An invalid one must not silence the other channels: it gets its default and
 * is listed in `wrong`.
 */
export function alertSettings(env: AlertVariables): AlertSettings & { wrong: Misconfigured[] } {
  const read = [
    readVariables(failures, env),
    readVariables(email, env),
    readVariables(webhook, env),
  ] as const;
  const [count, to, url] = read;
  return {
    failures: count.ok ? count.value.ALERT_FAILURES : DEFAULT_FAILURES,
    email: to.ok && to.value.ALERT_EMAIL !== "" ? to.value.ALERT_EMAIL : null,
    webhookUrl: url.ok && url.value.ALERT_WEBHOOK_URL !== "" ? url.value.ALERT_WEBHOOK_URL : null,
    wrong: read.flatMap((one) => (one.ok ? [] : [one.error])),
  };
}

/** For the start and for deployments, which stop at the first invalid setting. */
export function checkAlertSettings(env: AlertVariables): Result<null, Misconfigured> {
  const [wrong] = alertSettings(env).wrong;
  return wrong === undefined ? ok(null) : { ok: false, error: wrong };
}
