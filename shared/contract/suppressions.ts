import * as v from "valibot";
import { address } from "../email/rules/address.ts";
import { pageOf } from "../http/lists.ts";
import { time } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { operation, page } from "./operation.ts";

const suppression = named("Suppression", {
  address: v.string(),
  scope: v.picklist(["all", "non-transactional"]),
  reason: v.picklist(["bounce", "complaint", "unsubscribe", "manual"]),
  note: v.optional(v.string()),
  createdAt: time,
});

export const listSuppressions = operation({
  id: "listSuppressions",
  method: "GET",
  path: "/api/admin/email/suppressions",
  access: "viewer",
  tag: "operations",
  summary: "Suppressed addresses, oldest first.",
  query: v.strictObject({ ...pageOf.entries, address: v.optional(address) }),
  answers: { 200: page(suppression) },
  problems: ["unavailable"],
});

export const suppress = operation({
  id: "suppress",
  method: "POST",
  path: "/api/admin/email/suppressions",
  access: "admin",
  tag: "operations",
  summary: "Suppress an address. Emails queued for it are no longer sent.",
  body: v.strictObject({
    address,
    scope: v.optional(
      v.picklist(["all", "non-transactional"], 'must be "all" or "non-transactional"'),
      "all",
    ),
    note: v.optional(v.pipe(v.string("must be text"), v.maxLength(500, "is too long"))),
  }),
  answers: { 201: suppression },
  problems: ["unavailable", "outcome-unknown"],
});

export const unsuppress = operation({
  id: "unsuppress",
  method: "DELETE",
  path: "/api/admin/email/suppressions/:address",
  access: "admin",
  tag: "operations",
  summary: "Lift every suppression of an address.",
  params: { address: { schema: address, encoded: true } },
  answers: { 204: null },
  problems: ["not-found", "unavailable", "outcome-unknown"],
});
