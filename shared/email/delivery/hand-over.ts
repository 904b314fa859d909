import { describeError, log } from "../../lib/worker/log.ts";
import { parseMailbox } from "../rules/address.ts";
import { extraMs } from "../rules/hand-over-size.ts";
import { mailboxesFromColumn } from "../rules/mailboxes.ts";
import type { AttemptDetail, Outcome } from "../rules/outcome.ts";
import { testEndings, testOutcome } from "../rules/test-recipients.ts";
import { withLink } from "../rules/unsubscribe-placeholder.ts";
import { isNamed } from "../schemas.ts";
import { fromJson } from "../sql/columns.ts";
import type { EmailInHandOver } from "../sql/delivery.ts";
import { storedRecipients } from "../sql/recipients.ts";
import { textOf } from "../transports/text-of.ts";
import type { GuardedTransport, OutgoingEmail } from "../transports/transport.ts";
import { offersUnsubscribe, unsubscribeUrl } from "../unsubscribe.ts";
import type { FilesRead } from "./files.ts";
import type { Delivery } from "./ports.ts";

type Given = Pick<Delivery, "unsubscribe" | "emailIdHeader"> & { files?: FilesRead };

/**
 * Hands one email over. Never throws.
 *
 * @param given without links to unsubscribe no email comes here that needs one. `files`: those
 *   that it names
 */
export async function handOver(
  transport: GuardedTransport,
  email: EmailInHandOver,
  given: Given,
  now: number,
): Promise<Outcome> {
  const outcome = await send(transport, email, given, now);
  log(outcome.kind === "accepted" ? "info" : "warn", "email.attempt", {
    emailId: email.id,
    ...(email.traceId !== null && { traceId: email.traceId }),
    generation: email.generation,
    attempt: email.attempts,
    transport: transport.name,
    phase: outcome.detail.phase,
    code: outcome.detail.code,
    outcome: outcome.kind,
  });
  return outcome;
}

async function send(
  transport: GuardedTransport,
  email: EmailInHandOver,
  given: Given,
  now: number,
): Promise<Outcome> {
  const { unsubscribe, emailIdHeader, files = new Map() } = given;
  const bytes = [...files.values()].reduce((sum, file) => sum + file.byteLength, 0);
  if (email.leaseExpiresAt - now < transport.deadlineMs + extraMs(bytes))
    return { kind: "deferred", detail: leaseTooShort };
  let message: OutgoingEmail;
  try {
    const url =
      unsubscribe !== null && offersUnsubscribe(email.category)
        ? await unsubscribeUrl(unsubscribe, email.id)
        : null;
    message = outgoing(email, files, { unsubscribeUrl: url, idHeader: emailIdHeader });
  } catch (error) {
    return {
      kind: "refused_transient",
      detail: { transport: "none", phase: "compose", text: describeError(error).message },
    };
  }
  const endings = testEndings(message.recipients, email.test === 1);
  return endings === null ? await transport.send(message).catch(broken) : testOutcome(endings);
}

/**
 * A transport that throws breaks its promise; the outcomes of the others are recorded all the same.
 */
function broken(error: unknown): Outcome {
  return {
    kind: "unknown",
    detail: { transport: "none", phase: "transport", text: describeError(error).message },
  };
}

const leaseTooShort: AttemptDetail = {
  transport: "none",
  phase: "lease",
  text: "too little of the lease was left to begin",
};

/** @throws Error if a file that the email names is not there */
function attachmentsOf(
  { attachments, files: stored = null }: EmailInHandOver,
  read: FilesRead,
): OutgoingEmail["attachments"] {
  if (attachments === null) return [];
  const byId = new Map(stored === null ? [] : fromJson(stored).map((file) => [file.id, file]));
  return fromJson(attachments).map((one) => {
    if (!isNamed(one)) return one;
    const [file, bytes] = [byId.get(one.id), read.get(one.id)];
    if (file === undefined || bytes === undefined)
      throw new Error(`the attachment ${one.id} was not read`);
    const { contentId, filename = file.filename, contentType = file.contentType } = one;
    return { filename, contentType, bytes, ...(contentId !== undefined && { contentId }) };
  });
}

function outgoing(
  email: EmailInHandOver,
  files: FilesRead,
  given: Pick<OutgoingEmail, "unsubscribeUrl" | "idHeader">,
): OutgoingEmail {
  const from = parseMailbox(email.from);
  const domain = from.address.slice(from.address.indexOf("@") + 1);
  const html = withLink(email.html, given.unsubscribeUrl, "html");
  const text = withLink(email.text, given.unsubscribeUrl, "text");
  return {
    messageId: `<${email.id}@${domain}>`,
    id: email.id,
    generation: email.generation,
    part: email.part,
    // The same for each try of a generation. A replay has a date of its own.
    date: new Date(Math.max(email.generationAt, email.sendAt ?? 0)),
    from,
    recipients: storedRecipients(email.recipients, email.to),
    replyTo: email.replyTo === null ? [] : mailboxesFromColumn(email.replyTo),
    subject: email.subject,
    html,
    text: text ?? (email.textFromHtml === 1 ? textOf(html ?? "") : null),
    attachments: attachmentsOf(email, files),
    headers: email.headers === null ? {} : fromJson(email.headers),
    ...given,
  };
}
