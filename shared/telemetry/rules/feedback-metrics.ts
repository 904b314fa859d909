/**
 * What a provider or server reported, or why its report was not taken. `unsigned`: to no address
 * that Luna signed, such as a forged one. `no_report`: an answer of a person or an automatic reply.
 */
const feedbackKinds = [
  "accepted",
  "delivered",
  "bounced",
  "transient_bounce",
  "complained",
  "failed",
  "repeated",
  "unknown_email",
  "ignored",
  "unsigned",
  "expired",
  "no_report",
] as const;
export type FeedbackKind = (typeof feedbackKinds)[number];

/** The metrics of feedback, for `metrics`. `names`: those of `KnownNames`. */
export const feedbackMetrics = {
  luna_email_feedback_total: {
    kind: "counter",
    help: "Feedback about emails by transport and kind. Kinds from repeated on changed nothing.",
    labels: { transport: "names", kind: feedbackKinds },
  },
} as const;
