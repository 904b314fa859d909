import type { Admission } from "../../lib/circuit-breaker/index.ts";
import type { Mailbox } from "../rules/address.ts";
import type { CustomHeaders } from "../rules/custom-headers.ts";
import { handOverMs } from "../rules/hand-over-size.ts";
import type { Outcome } from "../rules/outcome.ts";
import type { StoredRecipient } from "../rules/recipients.ts";
import type { TransportName } from "../rules/transports.ts";
import type { Attachment } from "../schemas.ts";
import type { contentColumns, headerColumns, RowOf } from "../sql/columns.ts";

/** The longest that a hand-over without uploaded files may take. */
export const HAND_OVER_MS = handOverMs(0);

/** An uploaded file of an email. */
export type OutgoingFile = Omit<Attachment, "content"> & { bytes: Uint8Array<ArrayBuffer> };

export const isFile = (one: Attachment | OutgoingFile): one is OutgoingFile => "bytes" in one;

/** The longest that the hand-over of an email may take, in milliseconds. */
export const deadlineOf = ({ attachments }: Pick<OutgoingEmail, "attachments">): number =>
  handOverMs(attachments.reduce((sum, one) => sum + (isFile(one) ? one.bytes.byteLength : 0), 0));

/**
 * An email as a transport hands it over: the content that was stored, and the same bytes for every
 * attempt of a generation.
 */
export type OutgoingEmail = Omit<
  RowOf<typeof headerColumns & typeof contentColumns>,
  "from" | "to" | "replyTo" | "text" | "attachments" | "headers"
> & {
  from: Mailbox;
  /** All of them, also who has the email by now. */
  recipients: StoredRecipient[];
  replyTo: Mailbox[];
  /**
   * Empty: no text part. Null: an email that an earlier release accepted with HTML alone. By SMTP
   * it gets the text made from the HTML; providers make their own.
   */
  text: string | null;
  attachments: (Attachment | OutgoingFile)[];
  headers: CustomHeaders;
  /** `<id@domain>`: the same for every attempt and generation, so that a receiver sees a copy. */
  messageId: string;
  id: string;
  generation: number;
  /** Which hand-over with other recipients than the one before. */
  part: number;
  date: Date;
  /** For what is not purely transactional. */
  unsubscribeUrl: string | null;
  /** The name of the header with id and generation. */
  idHeader: string;
};

/**
 * Takes the fields that a transport has not named. A field that `OutgoingEmail` gets fails to
 * compile in each transport until that transport handles it.
 */
export function assertAllHandled(_rest: Record<string, never>): void {}

/** Hands emails over and reports what was observed. */
export type Transport = {
  /** The longest a hand-over without uploaded files may take, in milliseconds. */
  deadlineMs: number;
  /** Never throws, and settles within the deadline. */
  send(email: OutgoingEmail): Promise<Outcome>;
  /** Closes connections that are open between emails. The next email opens a new one. */
  close?(): void;
};

/** A transport behind the fleet's breaker, as a delivery sees it. */
export type GuardedTransport = Transport & {
  name: TransportName;
  /**
   * How fast the whole fleet hands emails over, in milliseconds an email; null for as fast as it
   * can.
   */
  everyMs: number | null;
  /** Asks the breaker again if its last answer is too old. Waits for it only briefly. */
  refresh(): Promise<void>;
  /** What a hand-over would meet now. */
  admission(): Admission;
};
