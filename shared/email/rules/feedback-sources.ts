import type { TransportName } from "./transports.ts";

/** Whether feedback about an email can come. Pure. */

/** What is configured. `cloudflare`: the senders' domains whose events come. */
export type FeedbackSources = {
  resend: boolean;
  ses: boolean;
  smtp: boolean;
  cloudflare: readonly string[];
};

/** `not-configured`: nobody reports what became of an email, so that it ends as `sent`. */
export const feedbackStates = ["configured", "not-configured"] as const;
export type FeedbackState = (typeof feedbackStates)[number];

const stateOf = (isConfigured: boolean): FeedbackState =>
  isConfigured ? "configured" : "not-configured";

/** Whether a transport reports what becomes of emails, of some senders at least. */
export function transportFeedback(
  transport: TransportName,
  sources: FeedbackSources,
): FeedbackState {
  const source = sources[transport];
  return stateOf(typeof source === "boolean" ? source : source.length > 0);
}

/**
 * Whether a transport reports what becomes of one email.
 *
 * @param sender the address in From
 */
export function emailFeedback(
  transport: TransportName,
  sender: string,
  sources: FeedbackSources,
): FeedbackState {
  const source = sources[transport];
  const domain = sender.slice(sender.lastIndexOf("@") + 1).toLowerCase();
  return stateOf(typeof source === "boolean" ? source : source.includes(domain));
}
