import type { Outbox } from "../email/outbox.ts";
import type { EmailVariables } from "../email/settings.ts";
import { sendSystemEmails, throwIfRefused } from "../email/system-emails.ts";
import { CircuitOpen, breakerClient, type BreakerEnv } from "../lib/circuit-breaker/index.ts";
import { countRejection } from "../telemetry/counters.ts";
import { WEBHOOK_BREAKER } from "./rules/conditions.ts";
import type { AlertSettings } from "./settings.ts";
import type { Channel, Notice } from "./sql/alerts.ts";
import type { Say } from "./watch.ts";

const titles: Record<Notice["kind"], string> = {
  fired: "Alert",
  reminder: "Still",
  recovered: "Recovered",
};

/** A notice in one line. */
function lineOf({ kind, summary }: Notice): string {
  return `${titles[kind]}: ${summary}`;
}

/** Says a notice by mail, through our own queue: once, however often it is asked. */
export function byEmail(outbox: Outbox, env: EmailVariables, to: string, clock: () => number): Say {
  return async (notice) => {
    const text = `${lineOf(notice)}\n\n${notice.key}, ${new Date(notice.at).toISOString()}\n`;
    const mail = { to, subject: `[Luna] ${lineOf(notice)}`.slice(0, 200), text };
    const sent = await sendSystemEmails(
      outbox,
      env,
      [{ key: `alert:${notice.id}`, email: mail }],
      clock(),
    );
    throwIfRefused(sent);
    if (sent.suppressed.length > 0) throw new Error("the address of ALERT_EMAIL is suppressed");
    if (sent.accepted.length === 0) throw new Error("the mail was not accepted");
  };
}

const WEBHOOK_TIMEOUT_MS = 5_000;

/**
 * Says a notice to a webhook: JSON with `text`, as Slack and its like take it, and the notice
 * itself. It may be said twice, with the same `Idempotency-Key`, when its answer is lost.
 */
export function byWebhook(env: BreakerEnv, url: string): Say {
  const breaker = breakerClient(env, WEBHOOK_BREAKER, {
    timeoutMs: WEBHOOK_TIMEOUT_MS,
    calleeTimesOut: false,
    isFault: () => true,
    onRejected: countRejection,
  });
  return async (notice) => {
    const answer = await breaker.run(async (signal) => {
      const response = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": notice.id },
        body: JSON.stringify({
          text: lineOf(notice),
          alert: { ...notice, at: new Date(notice.at).toISOString() },
        }),
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

export type AlertEnv = BreakerEnv &
  EmailVariables & { DB: D1Database; EMAIL_QUEUE: Outbox["queue"] };

/** The channels that are set. */
export function alertChannels(
  env: AlertEnv,
  { email, webhookUrl }: AlertSettings,
): Partial<Record<Channel, Say>> {
  return {
    ...(email !== null && {
      email: byEmail({ db: env.DB, queue: env.EMAIL_QUEUE }, env, email, Date.now),
    }),
    ...(webhookUrl !== null && { webhook: byWebhook(env, webhookUrl) }),
  };
}
