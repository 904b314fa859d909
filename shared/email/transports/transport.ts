import type { Mailbox } from "../address.ts";
import type { Outcome } from "../lifecycle.ts";

/** `content` in base64. */
export type Attachment = { filename: string; contentType: string; content: string };

/** A mail as a transport hands it over: the same bytes' worth of fields for every attempt of a generation. */
export type OutgoingMail = {
  /** `<id@domain>`: the same for every attempt and generation, so that a receiver can tell a copy. */
  messageId: string;
  id: string;
  generation: number;
  date: Date;
  from: Mailbox;
  to: string;
  replyTo: string | null;
  subject: string;
  html: string | null;
  text: string | null;
  attachments: Attachment[];
  /** For what is not purely transactional. */
  unsubscribeUrl: string | null;
};

/** Hands one mail over and says what was observed. Never throws, and settles within its own deadline. */
export type Transport = {
  /** The longest a hand-over may take, in milliseconds. */
  deadlineMs: number;
  send(mail: OutgoingMail): Promise<Outcome>;
};
