import { writeDatabase, type WriteFailure } from "../database/write.ts";
import { sha256Hex } from "../lib/base/hash.ts";
import { ok, type Result } from "../lib/base/result.ts";
import { log } from "../lib/worker/log.ts";
import { counters } from "../telemetry/counters.ts";
import type { FeedbackKind } from "../telemetry/rules/feedback-metrics.ts";
import type { ProviderReport } from "./rules/resend-feedback.ts";
import type { Feedback } from "./rules/transitions.ts";
import type { TransportName } from "./rules/transports.ts";
import { takeFeedback, type Taken } from "./sql/feedback.ts";

/** Feedback of providers and servers, however it comes: taken once, counted and logged. */

const kinds: Record<Feedback, FeedbackKind> = {
  accepted: "accepted",
  delivered: "delivered",
  bounced: "bounced",
  "transient-bounce": "transient_bounce",
  complained: "complained",
  failed: "failed",
};

export function countFeedback(transport: TransportName, kind: FeedbackKind): void {
  counters.count("luna_email_feedback_total", { transport, kind });
}

function kindOf({ taken }: Taken, { feedback }: ProviderReport): FeedbackKind {
  switch (taken) {
    case "applied":
      return kinds[feedback];
    case "repeated":
      return "repeated";
    case "unknown-mail":
      return "unknown_email";
  }
}

/** `messageId`: what a repeat of the report has, too. */
type Message = { provider: TransportName; messageId: string; report: ProviderReport };

/**
 * Takes one report. What it names is changed in one batch, once.
 *
 * @param countsUnknown false: one that names no email of ours will come again
 */
export async function takeReport(
  db: D1Database,
  message: Message,
  { now, countsUnknown = true }: { now: number; countsUnknown?: boolean },
): Promise<Result<Taken, WriteFailure>> {
  const { provider, report } = message;
  const take = () => takeFeedback(db, message, now);
  const taken = await writeDatabase(take, take);
  if (!taken.ok) return taken;
  const kind = kindOf(taken.value, report);
  if (kind !== "unknown_email" || countsUnknown) countFeedback(provider, kind);
  log("info", "email.feedback", {
    provider,
    feedback: report.feedback,
    taken: taken.value.taken,
    emailId: report.email?.id,
  });
  return ok(taken.value);
}

/**
 * By what a repeat of a server's delivery report is recognized: the hand-over, the recipient and
 * what is reported. So a Return-Path has only so many effects, also for a person who has seen it.
 *
 * @param token what names the hand-over in its Return-Path
 */
export const deliveryReportId = (
  token: string,
  { feedback, to }: Pick<ProviderReport, "feedback" | "to">,
): Promise<string> => sha256Hex([token, feedback, ...to].join(" "));
