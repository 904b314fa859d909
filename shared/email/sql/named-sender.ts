import type { TransportName } from "../rules/transports.ts";
import { NAMING_FORMAT, type Column, type Json } from "./columns.ts";

/** SQL of the senders that emails name. */

/**
 * SQL over a row `m` of emails that are handed in: the senders `w` that it may use, of its tenant
 * or of everyone.
 */
const usable = `senders AS w
  WHERE w.identity IN (m.value -> 'named' ->> 'address', m.value -> 'named' ->> 'domain')
    AND w.tenant IN (m.value ->> 'tenant', '')`;

/** SQL over a row `m`: it names no sender, or one that it may use. */
export const maySend = `(m.value ->> 'named' IS NULL
  OR EXISTS (SELECT 1 FROM ${usable} AND w.verified_at IS NOT NULL))`;

/** SQL over a row `m`: why it may not use the sender that it names; NULL if it may. */
export const whyNot = `iif(${maySend}, NULL,
  iif(EXISTS (SELECT 1 FROM ${usable}), 'pending', 'absent'))`;
export type WhyNot = "pending" | "absent";

/**
 * SQL that joins a row `m` with the sender `s` that it names: an address before its domain, the
 * tenant's own before one of everyone.
 */
const joined = `LEFT JOIN senders AS s ON s.id = (SELECT w.id FROM ${usable}
  AND w.verified_at IS NOT NULL ORDER BY INSTR(w.identity, '@') = 0, w.tenant = '' LIMIT 1)`;

/** What the row of an email gets that names a sender, by column. */
const columns = {
  from_address: `iif(s.name IS NULL OR m.value -> 'named' ->> 'name' <> '', m.value ->> 'from',
    s.name || ' <' || (m.value -> 'named' ->> 'address') || '>')`,
  format: `MAX(iif(s.transport_order <> '[]', ${NAMING_FORMAT}, 0), m.value ->> 'format')`,
  sender_id: "s.id",
  transport_order: "NULLIF(s.transport_order, '[]')",
};

/** Of an INSERT of emails of which one names a sender. */
export const withSender = { from: joined, columns };

/**
 * A column of a selection: the order of transports that an email's sender names, as JSON. One that
 * is deleted has the order that it had when the email was accepted. NULL: as configured.
 *
 * @param emails the name of the table
 */
export const orderColumn = (emails: string): Column<Json<TransportName[]> | null> =>
  `CASE WHEN ${emails}.sender_id IS NOT NULL THEN COALESCE(
     (SELECT s.transport_order FROM senders AS s WHERE s.id = ${emails}.sender_id),
     ${emails}.transport_order) END` as Column<Json<TransportName[]> | null>;

/** SQL over a row `e` of `emails`: its sender names one of the transports that a SELECT finds. */
const namesOneOf = (select: string): string =>
  `EXISTS (SELECT 1 FROM json_each(${orderColumn("e")}) AS o WHERE o.value IN (${select}))`;

/**
 * SQL over a row `e` of `emails`: one of the transports that its sender names takes emails, or none
 * of them is configured.
 *
 * @param open SELECT of the transports that take emails
 * @param closed the same of those that do not
 */
export function hasOpenTransport(open: string, closed: string): string {
  return `(e.sender_id IS NULL OR ${namesOneOf(open)} OR NOT ${namesOneOf(closed)})`;
}
