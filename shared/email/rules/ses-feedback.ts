import * as v from "valibot";
import { cut } from "../../lib/base/cut.ts";
import { record } from "../../lib/worker/record.ts";
import { parseMailbox } from "./address.ts";
import { MAX_RECIPIENTS } from "./mailboxes.ts";
import type { ProviderReport } from "./resend-feedback.ts";
import { emailOfTag } from "./tag.ts";
import type { Feedback } from "./transitions.ts";

/**
 * Events of Amazon SES, as SNS brings them. Pure.
 * https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
 */

const text = v.pipe(v.string(), v.maxLength(1_000));
/** An optional field of another shape counts as absent, so that the event is still read. */
const perhaps = <Schema extends v.GenericSchema>(schema: Schema) =>
  v.fallback(v.optional(schema), undefined);
const recipients = v.pipe(
  v.array(v.object({ emailAddress: text, diagnosticCode: perhaps(v.string()) })),
  v.maxLength(MAX_RECIPIENTS),
);

const event = v.object({
  eventType: perhaps(text),
  notificationType: perhaps(text),
  mail: v.object({
    messageId: text,
    tags: perhaps(record(v.string(), v.array(text))),
  }),
  bounce: perhaps(
    v.object({
      bounceType: perhaps(text),
      bounceSubType: perhaps(text),
      bouncedRecipients: recipients,
    }),
  ),
  complaint: perhaps(v.object({ complainedRecipients: recipients })),
  delivery: perhaps(v.object({ recipients: v.array(text), smtpResponse: perhaps(v.string()) })),
  reject: perhaps(v.object({ reason: perhaps(v.string()) })),
});
type Event = v.InferOutput<typeof event>;

const MAX_TEXT_LENGTH = 500;

/** What happened to some of the recipients. */
type Part = {
  feedback: Feedback;
  to: string[];
  suppress: ProviderReport["suppress"];
  text: string;
};

/**
 * Reads an event of SES. Of several recipients that bounced or complained each has a report.
 *
 * @returns an empty list for an event about no outcome, such as a click, or of another shape
 */
export function sesReports(body: unknown): ProviderReport[] {
  const parsed = v.safeParse(event, body);
  if (!parsed.success) return [];
  const { eventType, notificationType, mail } = parsed.output;
  const type = eventType ?? notificationType ?? "";
  return partsOf(type, parsed.output).map(({ feedback, to, suppress, text: what }) => ({
    feedback,
    email: (mail.tags?.["luna_email"] ?? []).map(tagged).find((one) => one !== null) ?? null,
    providerId: mail.messageId,
    to: to.map((one) => parseMailbox(one).address.toLowerCase()),
    suppress,
    detail: {
      transport: "ses",
      phase: "webhook",
      code: /^\w{1,64}$/.test(type) ? type : "event",
      text: cut(what, MAX_TEXT_LENGTH),
    },
  }));
}

const tagged = (value: string): ProviderReport["email"] => emailOfTag("luna_email", value);

function partsOf(type: string, { bounce, complaint, delivery, reject }: Event): Part[] {
  switch (type) {
    case "Send":
      return [{ feedback: "accepted", to: [], suppress: null, text: "Send" }];
    case "Delivery": {
      const what = delivery?.smtpResponse ?? "Delivery";
      return [
        { feedback: "delivered", to: delivery?.recipients ?? [], suppress: null, text: what },
      ];
    }
    case "Bounce": {
      const isHard = bounce?.bounceType === "Permanent";
      return (bounce?.bouncedRecipients ?? []).map(({ emailAddress, diagnosticCode }) => ({
        feedback: isHard ? "bounced" : "transient-bounce",
        to: [emailAddress],
        suppress: isHard ? "bounce" : null,
        text: diagnosticCode ?? bounce?.bounceSubType ?? "Bounce",
      }));
    }
    case "Complaint":
      return (complaint?.complainedRecipients ?? []).map(({ emailAddress }) => ({
        feedback: "complained",
        to: [emailAddress],
        suppress: "complaint",
        text: "Complaint",
      }));
    case "Reject":
      return [{ feedback: "failed", to: [], suppress: null, text: reject?.reason ?? "Reject" }];
    default:
      return [];
  }
}
