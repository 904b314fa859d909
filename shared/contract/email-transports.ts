import * as v from "valibot";
import { feedbackStates } from "../email/rules/feedback-sources.ts";
import { transportNames } from "../email/rules/transports.ts";
import { time } from "../http/time.ts";
import { commandOrigin } from "../lib/circuit-breaker/rules/index.ts";
import { named } from "../lib/worker/named.ts";
import { count, operation } from "./operation.ts";

const tag = "operations";
const name = v.picklist(transportNames);

/**
 * `feedback`: whether it reports what becomes of emails, of some senders at least.
 * `ratePerSecond`: how fast the whole fleet hands emails over now; absent for no limit.
 * `slowedAt`: when a provider's answer last slowed it down, until that has recovered. `closed`: it
 * gets no emails until then, because of that answer.
 */
const transport = named("EmailTransport", {
  name,
  used: v.boolean(),
  feedback: v.optional(v.picklist(feedbackStates)),
  configuredPerSecond: v.optional(v.number()),
  ratePerSecond: v.optional(v.number()),
  slowedAt: v.optional(time),
  closed: v.optional(
    v.strictObject({
      until: time,
      by: v.strictObject({
        phase: v.string(),
        code: v.optional(v.union([v.number(), v.string()])),
        text: v.string(),
      }),
    }),
  ),
});

export type EmailTransportAnswer = v.InferOutput<typeof transport>;

export const listEmailTransports = operation({
  id: "listEmailTransports",
  method: "GET",
  path: "/api/admin/email/transports",
  access: "viewer",
  tag,
  summary:
    "Each transport of emails: whether feedback is configured, the rate that holds now (absent: " +
    "no limit), when a limit of the provider last slowed it down, and until when and by which " +
    "answer one closes it.",
  answers: { 200: v.strictObject({ items: v.array(transport) }) },
  problems: ["unavailable"],
});

const { reason } = commandOrigin.entries;

export const resetEmailTransport = operation({
  id: "resetEmailTransport",
  method: "POST",
  path: "/api/admin/email/transports/:transport/reset",
  access: "admin",
  tag,
  summary:
    "End what limits of the provider made of a transport: it takes emails now, at the configured " +
    "rate. emailsDue: how many that waited are due now, at most 1,000; more: others wait, so " +
    "call it again.",
  params: { transport: { schema: name, names: "email transport" } },
  body: v.strictObject({ reason }),
  answers: { 200: v.strictObject({ name, emailsDue: count, more: v.boolean() }) },
  problems: ["unavailable", "outcome-unknown"],
});
