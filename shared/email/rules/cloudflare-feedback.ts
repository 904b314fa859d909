import * as v from "valibot";
import { cut } from "../../lib/base/cut.ts";
import { parseMailbox } from "./address.ts";
import { isAboutRecipient } from "./refusals.ts";
import type { ProviderReport } from "./resend-feedback.ts";
import type { Feedback } from "./transitions.ts";

/**
 * Events of Cloudflare's Email Service, as its event subscriptions put them on a queue. Pure.
 * https://developers.cloudflare.com/email-service/reference/event-subscriptions/
 */

const text = v.pipe(v.string(), v.maxLength(1_000));
/** An optional field of another shape counts as absent, so that the event is still read. */
const perhaps = <Schema extends v.GenericSchema>(schema: Schema) =>
  v.fallback(v.optional(schema), undefined);

const PREFIX = "cf.email.sending.message.";

/** The types of events to which a deployment subscribes. */
export const cloudflareEvents = [
  "delivered",
  "deferred",
  "bounced",
  "rejected",
  "complained",
  "failed",
] as const;
type EventType = (typeof cloudflareEvents)[number];

/** Each event is about one recipient. Its `messageId` is what `send()` answered. */
const event = v.object({
  type: v.pipe(
    v.string(),
    v.startsWith(PREFIX),
    v.transform((type) => type.slice(PREFIX.length)),
    v.picklist(cloudflareEvents),
  ),
  payload: v.object({
    eventId: v.pipe(v.string(), v.nonEmpty(), v.maxLength(256)),
    messageId: text,
    recipient: text,
    delivery: perhaps(
      v.object({
        smtpStatusCode: perhaps(v.string()),
        smtpEnhancedStatusCode: perhaps(text),
        smtpResponse: perhaps(v.string()),
      }),
    ),
    bounce: perhaps(v.object({ type: perhaps(text), reason: perhaps(v.string()) })),
    failure: perhaps(v.object({ reason: perhaps(v.string()) })),
    rejection: perhaps(
      v.object({ reason: perhaps(text), party: perhaps(text), detail: perhaps(v.string()) }),
    ),
    complaint: perhaps(v.object({ type: perhaps(text) })),
  }),
});
type Payload = v.InferOutput<typeof event>["payload"];

const MAX_TEXT_LENGTH = 500;

/**
 * What each event means. It is about one recipient, so that one it could not send to has bounced;
 * the others of the same email go on. `bounced` also ends retries of a soft bounce.
 */
const meanings: Record<EventType, Feedback> = {
  delivered: "delivered",
  deferred: "transient-bounce",
  bounced: "bounced",
  rejected: "bounced",
  complained: "complained",
  failed: "bounced",
};

/**
 * Reads an event of Cloudflare's Email Service.
 *
 * @returns null for an event of another type or shape
 */
export function cloudflareReport(
  body: unknown,
): { eventId: string; report: ProviderReport } | null {
  const parsed = v.safeParse(event, body);
  if (!parsed.success) return null;
  const { type, payload } = parsed.output;
  const { eventId, messageId, recipient, delivery, bounce, failure, rejection } = payload;
  const what = delivery?.smtpResponse ?? bounce?.reason ?? rejection?.detail ?? failure?.reason;
  const enhancedCode = delivery?.smtpEnhancedStatusCode;
  const report: ProviderReport = {
    feedback: meanings[type],
    email: null,
    providerId: messageId,
    to: [parseMailbox(recipient).address.toLowerCase()],
    suppress: suppressionOf(type, payload),
    detail: {
      transport: "cloudflare",
      phase: "event",
      code: `message.${type}`,
      ...(enhancedCode !== undefined && { enhancedCode }),
      text: cut(what ?? type, MAX_TEXT_LENGTH),
    },
  };
  return { eventId, report };
}

/**
 * Cloudflare calls every 5xx a hard bounce, also of a blocked sender. Suppressions of Luna do not
 * expire, so that it takes an answer about the address.
 */
function suppressionOf(
  type: EventType,
  { delivery, bounce, rejection }: Payload,
): ProviderReport["suppress"] {
  switch (type) {
    case "complained":
      return "complaint";
    case "bounced": {
      const enhancedCode = delivery?.smtpEnhancedStatusCode ?? "";
      const detail = { transport: "cloudflare", phase: "event", enhancedCode, text: "" };
      return bounce?.type === "hard" && isAboutRecipient(detail) ? "bounce" : null;
    }
    case "rejected":
      // As `send()` refuses such a recipient with E_RECIPIENT_SUPPRESSED.
      return rejection?.reason === "suppressed" && rejection.party === "recipient"
        ? "bounce"
        : null;
    case "delivered":
    case "deferred":
    case "failed":
      return null;
  }
}
