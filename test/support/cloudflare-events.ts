/**
 * Events of Cloudflare's Email Service, as documented at
 * https://developers.cloudflare.com/email-service/reference/event-subscriptions/
 */

const source = {
  type: "email.sending",
  zoneId: "023e105f4ecef8ad9ca31a8372d0c353",
  domain: "example.com",
};
const metadata = {
  accountId: "f9f79265f388666de8122cfb508d7776",
  eventSubscriptionId: "1830c4bb612e43c3af7f4cada31fbf3f",
  eventSchemaVersion: 1,
  eventTimestamp: "2026-06-01T02:48:57.132Z",
};

const examples = {
  delivered: {
    terminal: true,
    delivery: {
      status: "delivered",
      provider: "gmail",
      deliveryTimeMs: 1_234,
      smtpStatusCode: "250",
      smtpEnhancedStatusCode: "2.0.0",
      smtpResponse: "250 2.0.0 OK 1714820445 a1b2c3 - gsmtp",
    },
  },
  deferred: {
    terminal: false,
    delivery: {
      status: "deferred",
      provider: "external_smtp",
      deliveryTimeMs: 2_143,
      smtpStatusCode: "451",
      smtpEnhancedStatusCode: "4.2.0",
      smtpResponse: "451 4.2.0 Temporary mailbox error",
    },
    bounce: {
      type: "soft",
      classification: "temporary_failure",
      reason: "451 4.2.0 Temporary mailbox error",
    },
  },
  bounced: {
    terminal: true,
    delivery: {
      status: "bounced",
      provider: "external_smtp",
      deliveryTimeMs: 2_143,
      smtpStatusCode: "550",
      smtpEnhancedStatusCode: "5.1.1",
      smtpResponse: "550 5.1.1 User unknown",
    },
    bounce: {
      type: "hard",
      classification: "permanent_failure",
      reason: "550 5.1.1 User unknown",
    },
  },
  failed: {
    terminal: true,
    delivery: { status: "failed" },
    failure: { reason: "delivery_failed" },
  },
  rejected: {
    terminal: true,
    delivery: { status: "rejected" },
    rejection: { reason: "suppressed", party: "recipient", detail: "Recipient is suppressed" },
  },
  complained: {
    terminal: true,
    delivery: { status: "complained" },
    complaint: { type: "abuse" },
  },
} as const;
export type EventName = keyof typeof examples;
export const eventNames = Object.keys(examples) as EventName[];

type Fields = { eventId?: string; messageId?: string; recipient?: string; [more: string]: unknown };

/** The documented example of an event, with other fields of its payload. */
export const cloudflareEvent = (name: EventName, fields: Fields = {}) => ({
  type: `cf.email.sending.message.${name}`,
  source,
  payload: {
    eventId: `event-${crypto.randomUUID()}`,
    messageId: `0101018f7d0c4d9a-msg-${name}`,
    sender: "noreply@example.com",
    recipient: "user@example.net",
    subject: "Welcome",
    ...examples[name],
    ...fields,
  },
  metadata,
});
