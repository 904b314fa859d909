import type { Outcome, OutcomeForAll } from "./outcome.ts";
import { isOpen, type StoredRecipient } from "./recipients.ts";
import { isAboutRecipient } from "./refusals.ts";
import { TEST_TRANSPORT } from "./test-recipients.ts";

/** Which refusals show that no email can arrive at an address, so that it gets no more. Pure. */

type Recipients = readonly Pick<StoredRecipient, "n" | "address" | "state">[];

/** An address at which no email can arrive, and what showed it. */
export type HardBounce = { address: string; text: string };

/** SMTP names the recipient in RCPT: a refusal before that is about the sender. */
export function isHardBounce({ kind, detail }: OutcomeForAll): boolean {
  if (kind !== "refused_permanent" || !isAboutRecipient(detail)) return false;
  if (detail.transport === TEST_TRANSPORT) return false;
  return detail.transport !== "smtp" || phasesOfRecipient.has(detail.phase);
}

const phasesOfRecipient = new Set(["RCPT TO", "DATA", "BODY"]);

/** One outcome for several recipients may be about any of them, so it suppresses none. */
export function hardBouncesOf(outcome: Outcome, recipients: Recipients): HardBounce[] {
  const { except = [], ...forAll } = outcome;
  const open = recipients.filter(({ state }) => isOpen(state));
  return open.flatMap(({ n, address }) => {
    const own = except.find((one) => one.n === n)?.outcome ?? (open.length === 1 ? forAll : null);
    return own !== null && isHardBounce(own) ? [{ address, text: own.detail.text }] : [];
  });
}

/**
 * A refusal of the whole email because of one recipient whom its text names is a refusal of that
 * one: the others get the email with the next attempt.
 */
export function withNamedRefused(outcome: Outcome, recipients: Recipients): Outcome {
  const { except, ...forAll } = outcome;
  const open = recipients.filter(({ state }) => isOpen(state));
  if (except !== undefined || open.length < 2 || !isHardBounce(forAll)) return outcome;
  const [named, ...further] = open.filter(({ address }) =>
    namesAddress(forAll.detail.text, address),
  );
  if (named === undefined || further.length > 0) return outcome;
  return {
    kind: "refused_transient",
    detail: forAll.detail,
    except: [{ n: named.n, outcome: forAll }],
  };
}

/** Whether a text has an address, and not a longer one that has it as a part. */
export function namesAddress(text: string, address: string): boolean {
  const at = text.toLowerCase().indexOf(address.toLowerCase());
  if (at < 0) return false;
  return !/[\w.+-]/.test(text.charAt(at - 1)) && !/^\.?[\w-]/.test(text.slice(at + address.length));
}
