import type { Admission } from "../../lib/circuit-breaker/index.ts";
import { LEASE_MS } from "../delivery/lease.ts";
import type { Mailbox } from "../rules/address.ts";
import type { Outcome } from "../rules/outcome.ts";
import type { TransportName } from "../rules/transports.ts";

/**
 * The longest that a hand-over may take: half of an email's lease, so that an outcome that arrives
 * at the last moment can still be recorded under it.
 */
export const HAND_OVER_MS = LEASE_MS / 2;

/** `content` in base64. */
export type Attachment = { filename: string; contentType: string; content: string };

/**
 * A mail as a transport hands it over: the same bytes' worth of fields for every attempt of a
 * generation.
 */
export type OutgoingMail = {
  /**
   * `<id@domain>`: the same for every attempt and generation, so that a receiver can tell a copy.
   */
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

/** Hands mails over and says what was observed. */
export type Transport = {
  /** The longest a hand-over may take, in milliseconds. */
  deadlineMs: number;
  /** Never throws, and settles within the deadline. */
  send(mail: OutgoingMail): Promise<Outcome>;
  /** Ends what it holds open between mails. A mail after that opens it anew. */
  close?(): void;
};

/** A transport behind the fleet's breaker, as a delivery sees it. */
export type GuardedTransport = Transport & {
  name: TransportName;
  /**
   * How fast the whole fleet hands mails over, in milliseconds a mail; null for as fast as it can.
   */
  everyMs: number | null;
  /** Asks the breaker again if what it said is too old, for a moment. */
  refresh(): Promise<void>;
  /** What a hand-over would meet now. */
  admission(): Admission;
};
