import * as v from "valibot";
import { pageOf } from "../http/lists.ts";
import { operation, page } from "./operation.ts";
import { newOwnSender, senderParams as params, senderSchema } from "./sender-schemas.ts";

const tag = "emails";
const write = ["unavailable", "outcome-unknown"] as const;

export const requestSender = operation({
  id: "requestSender",
  method: "POST",
  path: "/api/senders",
  access: "mailer",
  tag,
  summary:
    "Make an address or a domain a sender of the caller. It is pending until the link in the " +
    "email to the address is confirmed, or until the domain has the TXT record in record.",
  idempotent: true,
  body: newOwnSender,
  answers: { 201: senderSchema },
  problems: ["conflict", "wrong-state", "idempotency-key-reused", "misconfigured", ...write],
});

export const listOwnSenders = operation({
  id: "listOwnSenders",
  method: "GET",
  path: "/api/senders",
  access: "caller",
  tag,
  summary: "The caller's own senders, newest first.",
  query: v.strictObject(pageOf.entries),
  answers: { 200: page(senderSchema) },
  problems: ["unavailable"],
});

export const getOwnSender = operation({
  id: "getOwnSender",
  method: "GET",
  path: "/api/senders/:senderId",
  access: "caller",
  tag,
  summary: "A sender of the caller.",
  params,
  answers: { 200: senderSchema },
  problems: ["unavailable"],
});

export const verifySender = operation({
  id: "verifySender",
  method: "POST",
  path: "/api/senders/:senderId/verify",
  access: "caller",
  tag,
  summary: "Look up the record of a domain now, or send the link to an address again.",
  params,
  answers: { 200: senderSchema },
  problems: ["conflict", "wrong-state", "misconfigured", ...write],
});

export const deleteOwnSender = operation({
  id: "deleteOwnSender",
  method: "DELETE",
  path: "/api/senders/:senderId",
  access: "caller",
  tag,
  summary: "Delete a sender of the caller. Emails that were accepted with it are sent.",
  params,
  answers: { 204: null },
  problems: [...write],
});

const link = { tag: "webhooks", answers: { 200: { mediaType: "text/html" } } } as const;

export const askToVerifySender = operation({
  id: "askToVerifySender",
  method: "GET",
  path: "/verify-sender/:token",
  access: "anyone",
  summary: "A page that asks to confirm an address as a sender.",
  problems: ["not-found", "account-suspended", "unavailable"],
  ...link,
});

export const confirmSender = operation({
  id: "confirmSender",
  method: "POST",
  path: "/verify-sender/:token",
  access: "anyone",
  summary: "Confirm an address as a sender. A repeat changes nothing.",
  problems: ["not-found", "account-suspended", "unavailable", "outcome-unknown"],
  ...link,
});
