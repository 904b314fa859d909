import { Webhook } from "standardwebhooks";
import { brandOf } from "../email/brand.ts";
import type { Outbox } from "../email/outbox.ts";
import type { EmailVariables } from "../email/settings.ts";
import { cut } from "../lib/base/cut.ts";
import { CircuitOpen, breakerClient, type BreakerEnv } from "../lib/circuit-breaker/index.ts";
import { countRejection } from "../telemetry/counters.ts";
import { sendToOperator } from "./operator-email.ts";
import { WEBHOOK_BREAKER } from "./rules/conditions.ts";
import { severityOf } from "./rules/severity.ts";
import type { AlertSettings } from "./settings.ts";
import type { Channel, Notice } from "./sql/alerts.ts";
import type { Notifier } from "./watch.ts";

const titles: Record<Notice["kind"], string> = {
  fired: "Alert",
  reminder: "Reminder",
  flapping: "Flapping",
  recovered: "Recovered",
};

/** A notice as one line of text. */
function lineOf({ kind, summary }: Notice): string {
  return `${titles[kind]}: ${summary}`;
}

/** Emails a notice through Luna's own queue, once however often it is called for it. */
export function byEmail(
  outbox: Outbox,
  env: EmailVariables,
  to: string,
  clock: () => number,
): Notifier {
  return async (notice) => {
    const text = `${lineOf(notice)}\n\n${notice.key}, ${new Date(notice.at).toISOString()}\n`;
    const subject = cut(`[${brandOf(env).name}] ${lineOf(notice)}`, 200);
    await sendToOperator(outbox, env, { key: `alert:${notice.id}`, to, subject, text }, clock());
  };
}

const WEBHOOK_TIMEOUT_MS = 5_000;

/**
 * Posts a notice to a webhook: JSON with `text`, as Slack accepts it, and the notice itself. A
 * notice may be posted twice, with the same `Idempotency-Key` and `webhook-id`, if the first
 * response was lost. With a secret it is signed as https://www.standardwebhooks.com describes.
 */
export function byWebhook(
  env: BreakerEnv,
  { url, secrets }: { url: string; secrets: string[] },
  clock: () => number,
): Notifier {
  const breaker = breakerClient(env, WEBHOOK_BREAKER, {
    timeoutMs: WEBHOOK_TIMEOUT_MS,
    calleeTimesOut: false,
    countsAsFailure: () => true,
    onRejected: countRejection,
  });
  return async (notice) => {
    const body = JSON.stringify({
      text: lineOf(notice),
      alert: {
        ...notice,
        severity: severityOf(notice.key),
        at: new Date(notice.at).toISOString(),
      },
    });
    const answer = await breaker.run(async (signal) => {
      const response = await fetch(url, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "Idempotency-Key": notice.id,
          ...signature(secrets, { id: notice.id, body, at: clock() }),
        },
        body,
        redirect: "manual",
        ...(signal !== undefined && { signal }),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`the webhook answered ${response.status}`);
    });
    if (answer instanceof CircuitOpen)
      throw new Error("the circuit breaker of the webhook is open");
  };
}

/** The headers of Standard Webhooks: a receiver takes a post if one of the signatures is right. */
function signature(
  secrets: string[],
  { id, body, at }: { id: string; body: string; at: number },
): Record<string, string> {
  if (secrets.length === 0) return {};
  const signedAt = new Date(at);
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at / 1_000)),
    "webhook-signature": secrets
      .map((secret) => new Webhook(secret).sign(id, signedAt, body))
      .join(" "),
  };
}

export type AlertEnv = BreakerEnv &
  EmailVariables & { DB: D1Database; EMAIL_QUEUE: Outbox["queue"] };

/** The channels that are configured. */
export function alertChannels(
  env: AlertEnv,
  {
    email,
    webhookUrl: url,
    webhookSecrets: secrets,
  }: Pick<AlertSettings, "email" | "webhookUrl" | "webhookSecrets">,
): Partial<Record<Channel, Notifier>> {
  return {
    ...(email !== null && {
      email: byEmail({ db: env.DB, queue: env.EMAIL_QUEUE }, env, email, Date.now),
    }),
    ...(url !== null && { webhook: byWebhook(env, { url, secrets }, Date.now) }),
  };
}
