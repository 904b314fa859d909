import type { Mailbox } from "../rules/address.ts";
import type { RecipientKind } from "../rules/mailboxes.ts";
import { isOpen, type StoredRecipient } from "../rules/recipients.ts";

/** Who an email goes to, and who its headers name. Nobody's Bcc is ever among the latter. */

/** Who is handed over now. */
export const targetsOf = (recipients: readonly StoredRecipient[]): StoredRecipient[] =>
  recipients.filter(({ state }) => isOpen(state));

const named = ({ name, address }: Mailbox): Mailbox => ({ name, address });

/**
 * The recipients of a header, the same for each part of an email: also who has it by now, and not
 * who is suppressed.
 */
export const headerOf = (
  recipients: readonly StoredRecipient[],
  kind: Exclude<RecipientKind, "bcc">,
): Mailbox[] =>
  recipients.filter((one) => one.kind === kind && one.state !== "suppressed").map(named);

export type ByField = Record<RecipientKind, Mailbox[]>;

/**
 * For a provider that makes headers of the recipients that it gets: those who are handed over now,
 * by field.
 */
export function byField(recipients: readonly StoredRecipient[]): ByField {
  const targets = targetsOf(recipients);
  const of = (kind: RecipientKind): Mailbox[] =>
    targets.filter((one) => one.kind === kind).map(named);
  return { to: of("to"), cc: of("cc"), bcc: of("bcc") };
}

/**
 * The same with at least one `to`, which some providers need: a `cc`, or the only `bcc`, since none
 * of several may see another. Null if there is none.
 */
export function byFieldWithTo(recipients: readonly StoredRecipient[]): ByField | null {
  const { to, cc, bcc } = byField(recipients);
  if (to.length > 0) return { to, cc, bcc };
  if (cc.length > 0) return { to: cc, cc: [], bcc };
  return bcc.length === 1 ? { to: bcc, cc: [], bcc: [] } : null;
}
