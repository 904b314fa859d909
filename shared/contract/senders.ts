import * as v from "valibot";
import { senderName, transportOrder } from "../email/rules/senders.ts";
import { pageOf } from "../http/lists.ts";
import { operation, page } from "./operation.ts";
import { newSender, senderParams as params, senderSchema, senderTenant } from "./sender-schemas.ts";

const tag = "operations";
const write = ["unavailable", "outcome-unknown"] as const;

export const createSender = operation({
  id: "createSender",
  method: "POST",
  path: "/api/admin/email/senders",
  access: "admin",
  tag,
  summary:
    "Make an address or a whole domain a sender that emails may name in from: of one tenant, or " +
    "of each without one. It needs no verification.",
  idempotent: true,
  body: newSender,
  answers: { 201: senderSchema },
  problems: ["conflict", "wrong-state", "idempotency-key-reused", ...write],
});

export const listSenders = operation({
  id: "listSenders",
  method: "GET",
  path: "/api/admin/email/senders",
  access: "viewer",
  tag,
  summary: "Every sender, newest first, or those of one tenant.",
  query: v.strictObject({ ...pageOf.entries, tenant: v.optional(senderTenant) }),
  answers: { 200: page(senderSchema) },
  problems: ["unavailable"],
});

export const getSender = operation({
  id: "getSender",
  method: "GET",
  path: "/api/admin/email/senders/:senderId",
  access: "viewer",
  tag,
  summary: "A sender.",
  params,
  answers: { 200: senderSchema },
  problems: ["unavailable"],
});

export const updateSender = operation({
  id: "updateSender",
  method: "PATCH",
  path: "/api/admin/email/senders/:senderId",
  access: "admin",
  tag,
  summary: "Change the name of a sender or its order of transports, also for emails that wait.",
  params,
  conditional: true,
  body: v.pipe(
    v.strictObject({
      name: v.optional(v.nullable(senderName)),
      transport: v.optional(v.nullable(transportOrder)),
    }),
    v.minEntries(1, "must change at least one of name, transport"),
  ),
  answers: { 200: senderSchema },
  problems: [...write],
});

export const deleteSender = operation({
  id: "deleteSender",
  method: "DELETE",
  path: "/api/admin/email/senders/:senderId",
  access: "admin",
  tag,
  summary: "Delete a sender. Emails that were accepted with it are sent.",
  params,
  answers: { 204: null },
  problems: [...write],
});
