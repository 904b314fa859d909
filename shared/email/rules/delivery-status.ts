import { cut } from "../../lib/base/cut.ts";
import type { AttemptDetail } from "./outcome.ts";
import { isAboutRecipient } from "./refusals.ts";
import type { ProviderReport } from "./resend-feedback.ts";
import type { HandOverOf } from "./tag.ts";
import type { Feedback } from "./transitions.ts";

/**
 * Delivery reports of mail servers: what the part `message/delivery-status` of a delivery status
 * notification (DSN, RFC 3464) states of each recipient. Pure.
 */

/** What the server did. RFC 3464, 2.3.3 has these and no others. */
type DsnAction = "failed" | "delayed" | "delivered" | "relayed" | "expanded";

const meanings = new Map<string, Feedback>([
  ["failed", "bounced"],
  ["delayed", "transient-bounce"],
  ["delivered", "delivered"],
  // It went on to a server or to a list that reports nothing more: it has not arrived yet.
  ["relayed", "accepted"],
  ["expanded", "accepted"],
] satisfies [DsnAction, Feedback][]);

/** An email of Luna has at most 50 recipients, some of which may be lists of others. */
const MAX_RECIPIENTS = 100;
const MAX_TEXT_LENGTH = 500;

type Fields = ReadonlyMap<string, string>;

/**
 * The fields of each recipient: blocks between empty lines, of which the first is about the message
 * (RFC 3464, 2.1). Of a field that is there twice the first counts.
 */
function recipientBlocks(text: string): Fields[] {
  const lines = text.replaceAll(/\r\n?/g, "\n");
  return (
    lines
      .split(/\n[ \t]*\n/)
      .map(fieldsOf)
      // Some servers write the first block also before each recipient, or leave it out.
      .filter((fields) => fields.has("final-recipient") || fields.has("original-recipient"))
      .slice(0, MAX_RECIPIENTS)
  );
}

function fieldsOf(block: string): Fields {
  const fields = new Map<string, string>();
  // A line that begins with a space goes on with the one before (RFC 5322, 2.2.3).
  for (const line of block.replaceAll(/\n[ \t]+/g, " ").split("\n")) {
    const [, name = "", value = ""] = /^([\w-]+)[ \t]*:(.*)$/.exec(line) ?? [];
    const key = name.toLowerCase();
    if (key !== "" && !fields.has(key)) fields.set(key, value.trim());
  }
  return fields;
}

/** No address needs a longer field. The time to match one grows with the square of its length. */
const MAX_ADDRESS_FIELD = 1_000;

/** `rfc822; <ada@example.com>`: the address, in lower case; null if there is none. */
function addressOf(field = ""): string | null {
  if (field.length > MAX_ADDRESS_FIELD) return null;
  const [, address = ""] = /^[\w-]+\s*;\s*<?([^<>\s]+@[^<>\s]+?)>?$/.exec(field) ?? [];
  return address === "" || address.length > 320 ? null : address.toLowerCase();
}

/** A status may stand before a comment: `5.1.1 (bad destination mailbox address)`. */
const codeIn = (text: string | undefined): string | null =>
  /(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])/.exec(text ?? "")?.[1] ?? null;

/** X.0.0 states nothing: then the answer of the server that refused has the code. */
function enhancedCodeOf(fields: Fields): string | null {
  const status = codeIn(fields.get("status"));
  const answered = codeIn(fields.get("diagnostic-code"));
  return status === null || status.endsWith(".0.0") ? (answered ?? status) : status;
}

/**
 * What a delivery report states of each recipient of the hand-over to which it was sent. The
 * original recipient is the one that Luna named; a server without that field names its last one.
 *
 * @returns an empty list if no recipient has an action that RFC 3464 defines
 */
export function deliveryReports(text: string, email: HandOverOf): ProviderReport[] {
  return recipientBlocks(text).flatMap((fields): ProviderReport[] => {
    const action = /^[a-z]+/.exec(fields.get("action")?.toLowerCase() ?? "")?.[0] ?? "";
    const feedback = meanings.get(action);
    if (feedback === undefined) return [];
    const to =
      addressOf(fields.get("original-recipient")) ?? addressOf(fields.get("final-recipient"));
    const enhancedCode = enhancedCodeOf(fields);
    const answer = fields.get("diagnostic-code")?.replace(/^[\w-]+\s*;\s*/, "");
    const detail: AttemptDetail = {
      transport: "smtp",
      phase: "DSN",
      code: action,
      ...(enhancedCode !== null && { enhancedCode }),
      text: cut(answer ?? fields.get("status") ?? action, MAX_TEXT_LENGTH),
    };
    const isHard = feedback === "bounced" && isAboutRecipient(detail);
    return [
      {
        feedback,
        email,
        providerId: null,
        to: to === null ? [] : [to],
        // Without an address it may be about anybody.
        suppress: isHard && to !== null ? "bounce" : null,
        detail,
      },
    ];
  });
}

/** Whether a Content-Type is that of a delivery report. `report-type` may be missing. */
export function isDeliveryReport(contentType: string): boolean {
  if (!/^\s*multipart\/report\b/i.test(contentType)) return false;
  const type = /;\s*report-type\s*=\s*"?([\w-]+)/i.exec(contentType)?.[1]?.toLowerCase();
  return type === undefined || type === "delivery-status";
}
