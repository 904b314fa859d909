import { cut } from "../../lib/base/cut.ts";

/** What an audited request changed. Pure. */

/** A value as the audit log stores it. */
export type AuditValue = string | number | boolean | null;

/** A field with its old and new value. A side that is absent did not exist, or is not known. */
export type Change = { field: string; from?: AuditValue; to?: AuditValue };

/** A row about the object of a request; null while there is none. */
export type AuditState = Readonly<Record<string, AuditValue>> | null;

/** The fields that differ before and after. */
export function changesBetween(before: AuditState, after: AuditState): Change[] {
  const fields = Object.keys({ ...before, ...after });
  return fields.flatMap((field) => {
    const [from, to] = [before?.[field], after?.[field]];
    if ((from ?? null) === (to ?? null)) return [];
    return [{ field, ...(from != null && { from }), ...(to != null && { to }) }];
  });
}

/** The named fields of a body, as new values. */
export function changesOf(body: unknown, fields: readonly string[]): Change[] {
  const sent = Object(body) as Record<string, unknown>;
  return fields.flatMap((field) => {
    const value = sent[field];
    return value === undefined ? [] : [{ field, to: asValue(value) }];
  });
}

/** Those of a state win over those of a body with the same name. */
export function mergeChanges(ofState: Change[], ofBody: Change[]): Change[] {
  const known = new Set(ofState.map(({ field }) => field));
  return [...ofState, ...ofBody.filter(({ field }) => !known.has(field))];
}

const MAX_LENGTH = 200;

function asValue(value: unknown): AuditValue {
  if (value === null || typeof value === "number" || typeof value === "boolean") return value;
  return cut(typeof value === "string" ? value : JSON.stringify(value), MAX_LENGTH);
}

/** Text that may contain an address: the log keeps its hash. */
export const mayNameAddress = (text: string): boolean => /@|%40/i.test(text);
