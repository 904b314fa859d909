import fc from "fast-check";
import { describe, expect, inject, it } from "vitest";
import {
  cloudflareEvent,
  eventNames,
  type EventName,
} from "../../../test/support/cloudflare-events.ts";
import { cloudflareEvents, cloudflareReport } from "./cloudflare-feedback.ts";
import type { ProviderReport } from "./resend-feedback.ts";

describe("an event of Cloudflare's Email Service", () => {
  it.each<[EventName, ProviderReport["feedback"], ProviderReport["suppress"], string]>([
    ["delivered", "delivered", null, "250 2.0.0 OK 1714820445 a1b2c3 - gsmtp"],
    ["deferred", "transient-bounce", null, "451 4.2.0 Temporary mailbox error"],
    ["bounced", "bounced", "bounce", "550 5.1.1 User unknown"],
    ["failed", "bounced", null, "delivery_failed"],
    ["rejected", "bounced", "bounce", "Recipient is suppressed"],
    ["complained", "complained", "complaint", "complained"],
  ])("%s is feedback %s, and suppresses for a %s", (name, feedback, suppress, text) => {
    const event = cloudflareEvent(name, { eventId: "e-1", recipient: "User@Example.net" });
    expect(cloudflareReport(event)).toMatchObject({
      eventId: "e-1",
      report: {
        feedback,
        email: null,
        providerId: `0101018f7d0c4d9a-msg-${name}`,
        to: ["user@example.net"],
        suppress,
        detail: { transport: "cloudflare", phase: "event", code: `message.${name}`, text },
      },
    });
  });

  it("has a test for each type to which a deployment subscribes", () => {
    expect(eventNames.toSorted()).toEqual([...cloudflareEvents].toSorted());
  });

  it.each([
    ["of a soft bounce whose retries are over", { bounce: { type: "soft" } }],
    ["of a blocked sender", { delivery: { smtpEnhancedStatusCode: "5.7.1" } }],
    ["without a code", { delivery: {} }],
  ])("bounced %s ends the email and suppresses nobody", (_, fields) => {
    const read = cloudflareReport(cloudflareEvent("bounced", fields));
    expect(read?.report).toMatchObject({ feedback: "bounced", suppress: null });
  });

  it("rejected for spam suppresses nobody", () => {
    const rejection = { reason: "spam", party: "sender", detail: "Spam" };
    const read = cloudflareReport(cloudflareEvent("rejected", { rejection }));
    expect(read?.report).toMatchObject({ feedback: "bounced", suppress: null });
  });

  it("of another type or shape is no report", () => {
    const event = cloudflareEvent("delivered");
    for (const other of [
      { ...event, type: "cf.email.sending.message.opened" },
      { ...event, type: "cf.kv.namespace.created" },
      { ...event, payload: { ...event.payload, messageId: undefined } },
      { ...event, payload: null },
      null,
      "text",
    ])
      expect(cloudflareReport(other)).toBeNull();
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(cloudflareReport(value)).toBeNull();
      }),
      { numRuns: inject("runs"), seed: inject("seed") },
    );
  });

  it("is read also with optional fields of another shape", () => {
    const event = cloudflareEvent("bounced", { delivery: "x", bounce: 1, rejection: [] });
    expect(cloudflareReport(event)?.report).toMatchObject({ feedback: "bounced", suppress: null });
  });
});
