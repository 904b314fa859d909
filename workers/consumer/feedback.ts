import { deliveryStatusIn } from "../../shared/email/delivery-report.ts";
import { returnPathSettings } from "../../shared/email/feedback-settings.ts";
import { countFeedback, deliveryReportId, takeReport } from "../../shared/email/feedback.ts";
import { verifiedReturnPath } from "../../shared/email/return-path.ts";
import { cloudflareReport } from "../../shared/email/rules/cloudflare-feedback.ts";
import { deliveryReports } from "../../shared/email/rules/delivery-status.ts";
import { fanOut } from "../../shared/lib/worker/fan-out.ts";
import { log } from "../../shared/lib/worker/log.ts";
import type { FeedbackKind } from "../../shared/telemetry/rules/feedback-metrics.ts";
import type { ConsumerEnv } from "../env.ts";

/**
 * An event may come before the answer of `send()` was recorded, which names the email. Nothing else
 * would bring it again, so that it is looked at once more, after the longest hand-over.
 */
const LOOK_AGAIN_SECONDS = 120;

/** Consumes events of Cloudflare's Email Service. One that fails does not hold up the others. */
export async function feedbackBatch({ messages }: MessageBatch, env: ConsumerEnv): Promise<void> {
  await fanOut([...messages], async (message) => await takeEvent(message, env));
}

async function takeEvent(message: Message, env: ConsumerEnv): Promise<void> {
  const event = cloudflareReport(message.body);
  if (event === null) {
    countFeedback("cloudflare", "ignored");
    return message.ack();
  }
  const { eventId, report } = event;
  const known = { provider: "cloudflare" as const, messageId: eventId, report };
  const isFirst = message.attempts === 1;
  const taken = await takeReport(env.DB, known, { now: Date.now(), countsUnknown: !isFirst });
  if (!taken.ok) return message.retry();
  if (taken.value.taken === "unknown-mail" && isFirst)
    return message.retry({ delaySeconds: LOOK_AGAIN_SECONDS });
  message.ack();
}

/**
 * Takes a delivery report, which a mail server sent to the Return-Path of an email.
 * Any other email is accepted, counted and forgotten, without a call of D1.
 *
 * @returns whether it was a delivery report
 * @throws Error if D1 could not be asked
 */
export async function takeDeliveryReport(
  { to, raw }: Pick<ForwardableEmailMessage, "to" | "raw">,
  env: ConsumerEnv,
): Promise<boolean> {
  const settings = returnPathSettings(env);
  const secrets = settings.ok ? (settings.value?.secrets ?? []) : [];
  const addressed = verifiedReturnPath({ secrets }, to, Date.now());
  if (!addressed.ok) return ignored(addressed.reason);
  const { email, token } = addressed;
  const status = await deliveryStatusIn(raw);
  const reports = status === null ? [] : deliveryReports(status, email);
  if (reports.length === 0) return ignored("no_report", email.id);
  for (const report of reports) {
    const messageId = await deliveryReportId(token, report);
    const known = { provider: "smtp" as const, messageId, report };
    const taken = await takeReport(env.DB, known, { now: Date.now() });
    if (!taken.ok) throw new Error(`the delivery report was not taken: ${taken.error.tag}`);
  }
  return true;
}

function ignored(kind: FeedbackKind, emailId?: string): false {
  countFeedback("smtp", kind);
  log("info", "email.feedback_ignored", { kind, emailId });
  return false;
}
