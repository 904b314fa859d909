import * as v from "valibot";
import { pageOf } from "../http/lists.ts";
import { time, timestamp } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { oneLine, trimmedLine } from "../lib/worker/one-line.ts";
import { deliveryStatuses } from "../webhooks/rules/delivery.ts";
import { eventTypes } from "../webhooks/rules/events.ts";
import { pauseReasons } from "../webhooks/rules/health.ts";
import { subscriptions } from "../webhooks/rules/subscriptions.ts";
import { count, operation, page } from "./operation.ts";

const tag = "webhooks";

const endpointId = v.pipe(v.string(), v.regex(/^we_[0-9a-f]{32}$/));
const deliveryId = v.pipe(v.string(), v.regex(/^evt_[0-9a-f]{32}\.we_[0-9a-f]{32}$/));
const params = { endpointId: { schema: endpointId, names: "webhook endpoint" } };

/** What the deployment allows is checked with the variables, and named as `url` too. */
const url = oneLine(2_048);
const description = trimmedLine(200);

const newEndpoint = v.strictObject({
  url,
  events: subscriptions,
  description: v.optional(description),
});
const endpointChanges = v.pipe(
  v.strictObject({
    url: v.optional(url),
    events: v.optional(subscriptions),
    description: v.optional(v.nullable(description)),
  }),
  v.minEntries(1, "must change at least one of url, events, description"),
);

/**
 * `health`: failed calls in a row, since when, and until when no call begins. `paused`: nothing is
 * delivered; events wait for up to 30 days.
 */
const endpoint = named("WebhookEndpoint", {
  id: v.string(),
  tenant: v.string(),
  url: v.string(),
  description: v.optional(v.string()),
  events: v.array(v.string()),
  paused: v.optional(v.strictObject({ because: v.picklist(pauseReasons), at: time })),
  health: v.strictObject({
    failures: count,
    failingSince: v.optional(time),
    notBefore: v.optional(time),
  }),
  previousSecretUntil: v.optional(time),
  createdAt: time,
  updatedAt: time,
});
export type EndpointAnswer = v.InferOutput<typeof endpoint>;

/** `attempts`: of this generation. `log`: the last attempts, each with up to 1 KB of the answer. */
const delivery = named("WebhookDelivery", {
  id: v.string(),
  eventId: v.string(),
  type: v.string(),
  status: v.picklist(deliveryStatuses),
  generation: count,
  attempts: count,
  dueAt: v.optional(time),
  reason: v.optional(v.string()),
  log: v.array(
    v.strictObject({
      at: time,
      tookMs: count,
      outcome: v.string(),
      status: v.optional(count),
      answer: v.optional(v.string()),
    }),
  ),
  createdAt: time,
  updatedAt: time,
});
export type DeliveryAnswer = v.InferOutput<typeof delivery>;

const read = ["unavailable"] as const;
const write = ["unavailable", "outcome-unknown"] as const;
const withSecret = v.strictObject({ endpoint, secret: v.string() });

export const createWebhookEndpoint = operation({
  id: "createWebhookEndpoint",
  method: "POST",
  path: "/api/webhook-endpoints",
  access: "caller",
  tag,
  summary:
    "Create an endpoint that gets the events it names: of the caller, or of every tenant for the " +
    "admin. The secret is shown once; a repeat under its Idempotency-Key answers 200 with the id.",
  idempotent: true,
  body: newEndpoint,
  answers: { 200: v.strictObject({ id: v.string() }), 201: withSecret },
  problems: ["wrong-state", "idempotency-key-reused", "misconfigured", ...write],
});

export const listWebhookEndpoints = operation({
  id: "listWebhookEndpoints",
  method: "GET",
  path: "/api/webhook-endpoints",
  access: "reader",
  tag,
  summary: "The caller's endpoints, newest first; all for an operator.",
  query: v.strictObject(pageOf.entries),
  answers: { 200: page(endpoint) },
  problems: read,
});

export const getWebhookEndpoint = operation({
  id: "getWebhookEndpoint",
  method: "GET",
  path: "/api/webhook-endpoints/:endpointId",
  access: "reader",
  tag,
  summary: "An endpoint, with its health.",
  params,
  answers: { 200: endpoint },
  problems: read,
});

export const updateWebhookEndpoint = operation({
  id: "updateWebhookEndpoint",
  method: "PATCH",
  path: "/api/webhook-endpoints/:endpointId",
  access: "caller",
  tag,
  summary: "Change URL, events or description of an endpoint.",
  params,
  conditional: true,
  body: endpointChanges,
  answers: { 200: endpoint },
  problems: ["misconfigured", ...write],
});

export const deleteWebhookEndpoint = operation({
  id: "deleteWebhookEndpoint",
  method: "DELETE",
  path: "/api/webhook-endpoints/:endpointId",
  access: "caller",
  tag,
  summary: "Delete an endpoint. What it has not received is not delivered.",
  params,
  answers: { 204: null },
  problems: write,
});

const command = <const Id extends string, const What extends string>(
  id: Id,
  what: What,
  summary: string,
) =>
  operation({
    id,
    method: "POST",
    path: `/api/webhook-endpoints/:endpointId/${what}`,
    access: "caller",
    tag,
    summary,
    params,
    answers: { 200: endpoint },
    problems: write,
  });

export const pauseWebhookEndpoint = command(
  "pauseWebhookEndpoint",
  "pause",
  "Pause an endpoint. Its events wait, for up to 30 days.",
);
export const resumeWebhookEndpoint = command(
  "resumeWebhookEndpoint",
  "resume",
  "Resume an endpoint: what waits is delivered.",
);

export const rotateWebhookSecret = operation({
  id: "rotateWebhookSecret",
  method: "POST",
  path: "/api/webhook-endpoints/:endpointId/secret",
  access: "caller",
  tag,
  summary:
    "Replace the secret of an endpoint. The new one is shown once. For 24 hours each call is " +
    "signed with both.",
  params,
  answers: { 201: withSecret },
  problems: ["misconfigured", ...write],
});

export const testWebhookEndpoint = operation({
  id: "testWebhookEndpoint",
  method: "POST",
  path: "/api/webhook-endpoints/:endpointId/test",
  access: "caller",
  tag,
  summary: "Send the event webhook.test to an endpoint.",
  params,
  idempotent: true,
  answers: { 202: v.strictObject({ eventId: v.string(), deliveryId: v.string() }) },
  problems: ["idempotency-key-reused", ...write],
});

export const listWebhookDeliveries = operation({
  id: "listWebhookDeliveries",
  method: "GET",
  path: "/api/webhook-endpoints/:endpointId/deliveries",
  access: "reader",
  tag,
  summary: "The deliveries of an endpoint, newest first, with their last attempts.",
  params,
  query: v.strictObject({
    ...pageOf.entries,
    status: v.optional(v.picklist(["dead"], 'must be "dead"')),
  }),
  answers: { 200: page(delivery) },
  problems: read,
});

export const replayWebhookDelivery = operation({
  id: "replayWebhookDelivery",
  method: "POST",
  path: "/api/webhook-endpoints/:endpointId/deliveries/:deliveryId/replay",
  access: "caller",
  tag,
  summary: "Deliver again what was delivered or is dead, as its next generation.",
  params: { ...params, deliveryId: { schema: deliveryId, names: "delivery" } },
  answers: { 202: v.strictObject({ replayed: v.literal(1) }) },
  problems: ["wrong-state", ...write],
});

export const replayWebhookDeliveries = operation({
  id: "replayWebhookDeliveries",
  method: "POST",
  path: "/api/webhook-endpoints/:endpointId/replay",
  access: "caller",
  tag,
  summary:
    "Deliver dead deliveries of an endpoint again, oldest first, at most 1,000 per request: of " +
    "one type of event, or of a time.",
  params,
  body: v.strictObject({
    type: v.optional(v.picklist(eventTypes, "must be the type of an event")),
    since: v.optional(timestamp),
    until: v.optional(timestamp),
  }),
  answers: { 202: v.strictObject({ replayed: count }) },
  problems: write,
});
