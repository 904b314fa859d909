import type { DeliveryAnswer } from "../../shared/contract/webhook-endpoints.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { iso } from "../../shared/http/time.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import * as deliveries from "../../shared/webhooks/sql/deliveries.ts";
import { findEndpoint } from "../../shared/webhooks/sql/endpoints.ts";
import type { ApiEnv } from "../env.ts";
import { json, ownerOf, type CallerOf, type Handler } from "./call.ts";
import { lookSoon, noEndpoint } from "./webhook-owner.ts";

/** How many deliveries one request replays. */
const REPLAY_LIMIT = 1_000;

type Answer = Promise<Result<Response, Failure>>;

function deliveryAnswer(delivery: deliveries.StoredDelivery): DeliveryAnswer {
  const { id, type, status, generation, attempts, dueAt, reason, log } = delivery;
  return {
    id,
    eventId: id.slice(0, id.indexOf(".")),
    type,
    status,
    generation,
    attempts,
    ...(status === "pending" && { dueAt: iso(dueAt) }),
    ...(reason !== null && { reason }),
    log: log.map(({ at, ...attempt }) => ({ at: iso(at), ...attempt })),
    createdAt: iso(delivery.createdAt),
    updatedAt: iso(delivery.updatedAt),
  };
}

/** Runs what is about the deliveries of an endpoint, if the caller may use it. */
async function withEndpoint(
  { env, caller, endpointId }: { env: ApiEnv; caller: CallerOf<"reader">; endpointId: string },
  run: () => Answer,
): Answer {
  const found = await readDatabase(env, () => findEndpoint(env.DB, endpointId, ownerOf(caller)));
  if (!found.ok) return found;
  return found.value === null ? fail(noEndpoint) : await run();
}

export const listWebhookDeliveries: Handler<"listWebhookDeliveries"> = async ({
  params: { endpointId },
  query: { limit, cursor, status },
  env,
  caller,
}) =>
  await withEndpoint({ env, caller, endpointId }, async () => {
    const wanted = { target: endpointId, onlyDead: status === "dead" };
    const found = await readDatabase(env, () =>
      deliveries.findDeliveries(env.DB, wanted, cursor ?? null, limit + 1),
    );
    if (!found.ok) return found;
    const { rows, ...next } = pageFrom(found.value, limit, (one) => one.createdAt);
    return json({ items: rows.map(deliveryAnswer), ...next });
  });

export const replayWebhookDelivery: Handler<"replayWebhookDelivery"> = async ({
  params: { endpointId, deliveryId },
  env,
  caller,
  now,
}) =>
  await withEndpoint({ env, caller, endpointId }, async () => {
    const one = { id: deliveryId, target: endpointId };
    const done = await writeDatabase(() => deliveries.replayOne(env.DB, one, now));
    if (!done.ok) return done;
    if (done.value === null) return fail({ tag: "not-found", what: "delivery" });
    if (done.value.replayed) lookSoon(env, endpointId);
    if (done.value.replayed) return json({ replayed: 1 }, { status: 202 });
    return fail({ tag: "wrong-state", detail: "This delivery has not ended: it is under way." });
  });

export const replayWebhookDeliveries: Handler<"replayWebhookDeliveries"> = async ({
  params: { endpointId },
  body: { type = null, since = 0, until },
  env,
  caller,
  now,
}) =>
  await withEndpoint({ env, caller, endpointId }, async () => {
    const filter = { target: endpointId, type, since, until: until ?? now + 1 };
    const done = await writeDatabase(() =>
      deliveries.replayDead(env.DB, filter, now, REPLAY_LIMIT),
    );
    if (!done.ok) return done;
    if (done.value.length > 0) lookSoon(env, endpointId);
    return json({ replayed: done.value.length }, { status: 202 });
  });
