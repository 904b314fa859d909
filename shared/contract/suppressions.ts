import * as v from "valibot";
import { address } from "../email/rules/address.ts";
import {
  noteField,
  reasonField,
  scopeField,
  suppressionReasons,
  suppressionScopes,
  tenantField,
} from "../email/rules/suppressions.ts";
import { pageOf, shortList } from "../http/lists.ts";
import { time, timestamp } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { count, operation, page } from "./operation.ts";

/** `tenant`: absent if it stops the emails of every tenant. */
const suppression = named("Suppression", {
  address: v.string(),
  tenant: v.optional(v.string()),
  scope: v.picklist(suppressionScopes),
  reason: v.picklist(suppressionReasons),
  note: v.optional(v.string()),
  createdAt: time,
});
export type SuppressionAnswer = v.InferOutput<typeof suppression>;

const path = "/api/admin/email/suppressions";
const tag = "operations";
const write = ["unavailable", "outcome-unknown"] as const;

/** Empty: those that stop the emails of every tenant. */
const tenantFilter = v.union([v.literal(""), tenantField], "must be empty, or a tenant");

type Filter = {
  address?: string | undefined;
  tenant?: string | undefined;
  scope?: string | undefined;
};
/** No index has both. Of one address there are few. */
const hasIndex = ({ address: given, tenant, scope }: Filter): boolean =>
  given !== undefined || tenant === undefined || scope === undefined;
const NO_INDEX = "must not be given together with tenant, unless there is an address";

export const listSuppressions = operation({
  id: "listSuppressions",
  method: "GET",
  path,
  access: "viewer",
  tag,
  summary: "Suppressed addresses, oldest first.",
  query: v.pipe(
    v.strictObject({
      ...pageOf.entries,
      address: v.optional(address),
      tenant: v.optional(tenantFilter),
      scope: v.optional(scopeField),
    }),
    v.forward(
      v.check((filter) => hasIndex(filter), NO_INDEX),
      ["scope"],
    ),
  ),
  answers: { 200: page(suppression) },
  problems: ["unavailable"],
});

export const exportSuppressions = operation({
  id: "exportSuppressions",
  method: "GET",
  path: `${path}/export`,
  access: "viewer",
  tag,
  summary:
    "All suppressions of a filter, as CSV. If the database fails, the connection breaks off.",
  query: v.pipe(
    v.strictObject({ tenant: v.optional(tenantFilter), scope: v.optional(scopeField) }),
    v.forward(
      v.check((filter) => hasIndex(filter), NO_INDEX),
      ["scope"],
    ),
  ),
  answers: { 200: { mediaType: "text/csv" } },
  problems: ["unavailable"],
});

const MAX_IMPORTED_BYTES = 2 * 1_048_576;

export const importSuppressions = operation({
  id: "importSuppressions",
  method: "POST",
  path: `${path}/import`,
  access: "admin",
  tag,
  summary:
    "Suppress the addresses of a CSV list of at most 10,000 lines and 2 MiB. A wrong line is " +
    "named, and the others are imported. A repeat adds nothing.",
  upload: { maxBytes: MAX_IMPORTED_BYTES },
  answers: {
    200: v.strictObject({
      added: count,
      alreadySuppressed: count,
      refused: count,
      /** Of the first 100 that were refused. */
      errors: v.array(v.strictObject({ line: count, path: v.string(), message: v.string() })),
      /** The database failed there: that line and those after it are to be imported again. */
      unfinishedFrom: v.optional(count),
    }),
  },
  problems: [...write],
});

export const suppress = operation({
  id: "suppress",
  method: "POST",
  path,
  access: "admin",
  tag,
  summary: "Suppress an address. Emails queued for it are no longer sent.",
  body: v.strictObject({
    address,
    tenant: v.optional(tenantField),
    scope: v.optional(scopeField, "all"),
    note: v.optional(noteField),
  }),
  answers: { 201: suppression },
  problems: [...write],
});

const MAX_DELETED = 1_000;

export const deleteSuppressions = operation({
  id: "deleteSuppressions",
  method: "POST",
  path: `${path}/delete`,
  access: "admin",
  tag,
  summary:
    "Lift the suppressions of a list of addresses, or those that match a filter: a request looks " +
    "at 1,000. While the answer has a nextCursor, there are more.",
  body: v.pipe(
    v.strictObject({
      addresses: v.optional(shortList(address, MAX_DELETED)),
      tenant: v.optional(tenantFilter),
      scope: v.optional(scopeField),
      reason: v.optional(reasonField),
      before: v.optional(timestamp),
      cursor: pageOf.entries.cursor,
    }),
    v.check(
      (criteria) => Object.keys(criteria).some((name) => name !== "cursor"),
      "must name addresses, or one of tenant, scope, reason, before",
    ),
    v.forward(
      v.check(
        ({ addresses, cursor }) => addresses === undefined || cursor === undefined,
        "must be given with a filter, not with addresses",
      ),
      ["cursor"],
    ),
  ),
  answers: { 200: v.strictObject({ deleted: count, nextCursor: v.optional(v.string()) }) },
  problems: [...write],
});

export const unsuppress = operation({
  id: "unsuppress",
  method: "DELETE",
  path: `${path}/:address`,
  access: "admin",
  tag,
  summary: "Lift all suppressions of an address, or only those of a tenant or scope.",
  params: { address: { schema: address, encoded: true } },
  query: v.strictObject({ tenant: v.optional(tenantFilter), scope: v.optional(scopeField) }),
  answers: { 204: null },
  problems: ["not-found", ...write],
});
