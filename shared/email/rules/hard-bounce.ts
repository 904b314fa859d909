import type { Outcome } from "./outcome.ts";
import { isAboutRecipient } from "./refusals.ts";
import { TEST_TRANSPORT } from "./test-recipients.ts";

/**
 * Whether an outcome shows that no email can arrive at that address, so that it gets no more. SMTP
 * names the recipient in RCPT: a refusal before that is about the sender.
 */
export function isHardBounce({ kind, detail }: Outcome): boolean {
  if (kind !== "refused_permanent" || !isAboutRecipient(detail)) return false;
  if (detail.transport === TEST_TRANSPORT) return false;
  return detail.transport !== "smtp" || phasesOfRecipient.has(detail.phase);
}

const phasesOfRecipient = new Set(["RCPT TO", "DATA", "BODY"]);
