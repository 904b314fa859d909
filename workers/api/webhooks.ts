import { Webhook } from "standardwebhooks";
import { writeDatabase } from "../../shared/database/write.ts";
import { countFeedback, takeReport } from "../../shared/email/feedback.ts";
import {
  resendReport,
  resendSuppression,
  type SuppressionReport,
} from "../../shared/email/rules/resend-feedback.ts";
import { resendWebhookSecret } from "../../shared/email/settings.ts";
import { mirrorSuppression } from "../../shared/email/sql/suppressions.ts";
import { readText } from "../../shared/http/body.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { log } from "../../shared/lib/worker/log.ts";
import { json, type Handler } from "./call.ts";
import { takeSesMessage } from "./ses-webhook.ts";
import { logMisconfigured } from "./settings.ts";

/** An event of one email is smaller. It is read before its signature is checked. */
const MAX_EVENT_BYTES = 65_536;

const noSuchProvider = fail<Failure>({ tag: "not-found", what: "provider" });

/**
 * Takes a provider's delivery events. Every signed event is answered 200, because a provider
 * repeats others for days. A repeat, an unknown email and an event about no delivery change
 * nothing. A provider that is not configured does not exist: strangers learn nothing of variables.
 */
export const takeWebhook: Handler<"takeWebhook"> = async ({ params, request, env, now }) => {
  if (params.provider === "ses") return await takeSesMessage(env, request, now);
  if (params.provider !== "resend") return noSuchProvider;
  const secret = resendWebhookSecret(env);
  if (!secret.ok) {
    if ((env.WEBHOOK_SECRET_RESEND ?? "") !== "") logMisconfigured("webhook", secret.error);
    return noSuchProvider;
  }
  const body = await readText(request, { limitBytes: MAX_EVENT_BYTES });
  if (!body.ok) return body;
  const event = verified(secret.value, request.headers, body.value);
  if (event === null) return fail({ tag: "bad-signature" });

  const suppression = resendSuppression(event.payload);
  if (suppression !== null) return await mirror(env.DB, event.id, suppression, now);
  const report = resendReport(event.payload);
  if (report === null) {
    countFeedback("resend", "ignored");
    return json({ taken: "ignored" });
  }
  const message = { provider: "resend" as const, messageId: event.id, report };
  const taken = await takeReport(env.DB, message, { now });
  return taken.ok ? json(taken.value) : taken;
};

async function mirror(db: D1Database, messageId: string, report: SuppressionReport, now: number) {
  const write = () => mirrorSuppression(db, { provider: "resend", messageId, report }, now);
  const done = await writeDatabase(write, write);
  if (!done.ok) return done;
  log("info", "email.suppression_mirrored", { provider: "resend", change: report.change });
  return json({ taken: "mirrored" as const });
}

/**
 * The event, if it was signed with the secret at most five minutes ago
 * (https://www.standardwebhooks.com). Svix uses header names of its own.
 */
function verified(
  secret: string,
  headers: Headers,
  body: string,
): { id: string; payload: unknown } | null {
  const header = (name: string): string =>
    headers.get(`svix-${name}`) ?? headers.get(`webhook-${name}`) ?? "";
  const id = header("id");
  try {
    const signed = {
      "webhook-id": id,
      "webhook-timestamp": header("timestamp"),
      "webhook-signature": header("signature"),
    };
    return id.length > MAX_ID_LENGTH
      ? null
      : { id, payload: new Webhook(secret).verify(body, signed) };
  } catch {
    return null;
  }
}

const MAX_ID_LENGTH = 256;
