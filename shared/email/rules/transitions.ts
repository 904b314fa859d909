import type { EmailStatus } from "./lifecycle.ts";

/** Every change of status that may happen: what the timeline of any email consists of. */
export const transitions: Record<EmailStatus, readonly EmailStatus[]> = {
  scheduled: ["queued", "cancelled"],
  queued: ["claimed", "suppressed", "cancelled", "dead"],
  // A provider's feedback may come before its answer was recorded, and while the email waits to be
  // asked about again.
  pinned: ["claimed", "queued", "unknown", "dead", "sent", "delivered", "bounced", "complained"],
  claimed: [
    "sending",
    "queued",
    "pinned",
    "unknown",
    "dead",
    "sent",
    "delivered",
    "bounced",
    "complained",
  ],
  sending: [
    "sending",
    "sent",
    "queued",
    "pinned",
    "unknown",
    "dead",
    "delivered",
    "bounced",
    "complained",
  ],
  sent: ["delivered", "bounced", "complained"],
  delivered: ["bounced", "complained"],
  bounced: ["complained"],
  complained: [],
  unknown: ["sent", "queued", "dead", "delivered", "bounced", "complained"],
  // By a replay, as the next generation; or the provider reports that it has left after all.
  dead: ["queued", "discarded", "sent", "delivered", "bounced", "complained"],
  discarded: [],
  cancelled: [],
  suppressed: [],
};

/**
 * What a provider reports about an email later. `failed`: it took the email, and then could not
 * send it. `transient-bounce`: a full mailbox or an out-of-office answer. It ends nothing, and the
 * timeline has it.
 */
export type Feedback =
  | "accepted"
  | "delivered"
  | "bounced"
  | "transient-bounce"
  | "complained"
  | "failed";

/**
 * What an email becomes by its provider's feedback; null if that changes nothing: it is old news,
 * arrives in the wrong order or contradicts what is settled.
 */
export function afterFeedback(status: EmailStatus, feedback: Feedback): EmailStatus | null {
  // It has not left: only its wait ends it.
  if (status === "queued") return null;
  const next = meaning(status, feedback);
  return next !== status && transitions[status].includes(next) ? next : null;
}

function meaning(status: EmailStatus, feedback: Feedback): EmailStatus {
  switch (feedback) {
    // What bounced has left.
    case "accepted":
    case "transient-bounce":
      return "sent";
    case "failed":
      return status === "sent" ? "bounced" : "dead";
    case "delivered":
    case "bounced":
    case "complained":
      return feedback;
  }
}
