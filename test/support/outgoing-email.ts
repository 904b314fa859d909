import type { OutgoingEmail } from "../../shared/email/transports/transport.ts";

/** An email as a transport gets it. */
export const outgoingEmail: OutgoingEmail = {
  messageId: "<m1@luna.example>",
  id: "m1",
  generation: 2,
  part: 1,
  date: new Date("2026-01-02T03:04:05Z"),
  from: { name: "Luna", address: "hello@luna.example" },
  recipients: [
    { n: 1, kind: "to", name: "", address: "ada@example.com", state: null, detail: null },
  ],
  replyTo: [],
  subject: "Hello",
  html: null,
  text: "Hi",
  attachments: [],
  headers: {},
  unsubscribeUrl: null,
  idHeader: "X-Luna-Email",
};
