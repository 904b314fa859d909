import { expect, it } from "vitest";
import { feedbackSources } from "../feedback-sources.ts";
import { emailFeedback, transportFeedback } from "./feedback-sources.ts";
import { transportNames } from "./transports.ts";

const configured = {
  WEBHOOK_SECRET_RESEND: `whsec_${"a".repeat(32)}`,
  SES_TOPIC_ARN: "arn:aws:sns:eu-west-1:123456789012:luna",
  BOUNCE_DOMAIN: "bounces.example.com",
  BOUNCE_SECRET: "s".repeat(32),
  CLOUDFLARE_FEEDBACK_DOMAINS: "example.com, news.example.com",
};
const sender = "hello@Example.com";

it("each transport has feedback once its own settings are there, and none by others", () => {
  const own = {
    resend: ["WEBHOOK_SECRET_RESEND"],
    ses: ["SES_TOPIC_ARN"],
    smtp: ["BOUNCE_DOMAIN", "BOUNCE_SECRET"],
    cloudflare: ["CLOUDFLARE_FEEDBACK_DOMAINS"],
  } as const;
  for (const name of transportNames) {
    const entries = Object.entries(configured);
    const isOwn = ([key]: [string, string]) => (own[name] as readonly string[]).includes(key);
    const alone = feedbackSources(Object.fromEntries(entries.filter(isOwn)));
    const others = feedbackSources(Object.fromEntries(entries.filter((one) => !isOwn(one))));
    expect(transportFeedback(name, alone), name).toBe("configured");
    expect(emailFeedback(name, sender, alone), name).toBe("configured");
    expect(transportFeedback(name, others), name).toBe("not-configured");
    expect(emailFeedback(name, sender, others), name).toBe("not-configured");
  }
});

it("a setting that is bad counts as none", () => {
  const bad = {
    WEBHOOK_SECRET_RESEND: "short",
    SES_TOPIC_ARN: "topic",
    BOUNCE_DOMAIN: "bounces.example.com",
    CLOUDFLARE_FEEDBACK_DOMAINS: "example.com,nothing",
  };
  for (const name of transportNames)
    expect(transportFeedback(name, feedbackSources(bad))).toBe("not-configured");
});

it("Cloudflare reports emails of the senders' domains that were subscribed, and of no other", () => {
  const sources = feedbackSources(configured);
  expect(emailFeedback("cloudflare", "a@news.example.com", sources)).toBe("configured");
  expect(emailFeedback("cloudflare", "a@other.example.com", sources)).toBe("not-configured");
});
