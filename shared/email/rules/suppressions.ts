import * as v from "valibot";
import { timestamp } from "../../http/time.ts";
import { address } from "./address.ts";

/** Which emails a suppression stops, and lists of suppressions as CSV. Pure. */

/**
 * `all`: each email. `non-transactional`: all except purely transactional ones. The others: emails
 * of that category. No scope stops transactional emails alone.
 */
export const suppressionScopes = ["all", "non-transactional", "notification", "marketing"] as const;
export type SuppressionScope = (typeof suppressionScopes)[number];

export const suppressionReasons = ["bounce", "complaint", "unsubscribe", "manual"] as const;
export type SuppressionReason = (typeof suppressionReasons)[number];

export const scopeField = v.picklist(
  suppressionScopes,
  `must be one of ${suppressionScopes.join(", ")}`,
);
export const reasonField = v.picklist(
  suppressionReasons,
  `must be one of ${suppressionReasons.join(", ")}`,
);
/** Whose emails it stops. */
export const tenantField = v.pipe(
  v.string("must be text"),
  v.regex(
    /^(admin|producer|system|(user|team):[A-Za-z0-9][A-Za-z0-9_.-]{0,63})$/,
    "must be admin, producer, system, user:<id> or team:<id>",
  ),
);
export const noteField = v.pipe(v.string("must be text"), v.maxLength(500, "is too long"));

/** `tenant`: null for the emails of every tenant. */
export type Suppression = {
  address: string;
  tenant: string | null;
  scope: SuppressionScope;
  reason: SuppressionReason;
  note: string | null;
  createdAt: number;
};

/** Whether it stops what it stops for every tenant and each category that is not transactional. */
export const isForAll = ({ tenant, scope }: Pick<Suppression, "tenant" | "scope">): boolean =>
  tenant === null && (scope === "all" || scope === "non-transactional");

/** The most lines of an import. A longer list is imported in parts. */
export const MAX_IMPORTED = 10_000;

/** The columns of a list as CSV. Only the first one is required. */
export const csvColumns = ["address", "scope", "tenant", "reason", "note", "createdAt"] as const;

const csvRow = v.strictObject({
  address,
  scope: v.optional(scopeField, "all"),
  tenant: v.optional(tenantField),
  reason: v.optional(reasonField, "manual"),
  note: v.optional(noteField),
  createdAt: v.optional(timestamp),
});

/** What one line of a list suppresses, or what is wrong with it. An empty cell is an absent one. */
export type CsvLine =
  | { tag: "suppression"; suppression: Suppression }
  | { tag: "wrong"; path: string; message: string };

/** The note of what an import brings without one. */
const IMPORTED = "imported";

/**
 * @param record the cells of the line by their columns
 * @param now when it is suppressed if the line has no time
 */
export function suppressionOfLine(record: Readonly<Record<string, string>>, now: number): CsvLine {
  const given = Object.fromEntries(Object.entries(record).filter(([, cell]) => cell !== ""));
  const parsed = v.safeParse(csvRow, given);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const path = v.getDotPath(issue) ?? "line";
    return {
      tag: "wrong",
      path,
      message: given[path] === undefined ? "is missing" : issue.message,
    };
  }
  const { tenant = null, note = IMPORTED, createdAt = now, ...rest } = parsed.output;
  if (createdAt > now)
    return { tag: "wrong", path: "createdAt", message: "must not be in the future" };
  return { tag: "suppression", suppression: { ...rest, tenant, note, createdAt } };
}

/** The cells of a suppression, in the order of the columns. */
export const cellsOf = (one: Suppression): string[] => [
  one.address,
  one.scope,
  one.tenant ?? "",
  one.reason,
  one.note ?? "",
  new Date(one.createdAt).toISOString(),
];
