import { returnPathSettings, subscribedDomains } from "./feedback-settings.ts";
import type { FeedbackSources } from "./rules/feedback-sources.ts";
import { resendWebhookSecret, sesTopic, type EmailVariables } from "./settings.ts";

/** Which feedback is configured. What is set and bad counts as not configured. */
export function feedbackSources(env: EmailVariables): FeedbackSources {
  const bounces = returnPathSettings(env);
  const domains = subscribedDomains(env);
  return {
    resend: resendWebhookSecret(env).ok,
    ses: sesTopic(env).ok,
    smtp: bounces.ok && bounces.value !== null,
    cloudflare: domains.ok ? domains.value : [],
  };
}
