import type { EndpointAnswer } from "../../shared/contract/webhook-endpoints.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { iso } from "../../shared/http/time.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { newUuidV7 } from "../../shared/lib/base/uuid.ts";
import { checkUrl } from "../../shared/webhooks/rules/url-policy.ts";
import { encryptSecret, newSecret } from "../../shared/webhooks/secrets.ts";
import { outboundPolicy, secretsKey } from "../../shared/webhooks/settings.ts";
import * as store from "../../shared/webhooks/sql/endpoints.ts";
import { insertTestEvent } from "../../shared/webhooks/sql/events.ts";
import type { ApiEnv } from "../env.ts";
import { json, noContent, ownerOf, tenantOf, type Handler } from "./call.ts";
import { timeOfChange, whenRead, withEtag } from "./etag.ts";
import { answerAgain, createOnce, keyedRequest } from "./keyed.ts";
import { lookSoon, noEndpoint } from "./webhook-owner.ts";

/** How long the secret before signs too, after a rotation. */
const OVERLAP_MS = 24 * 3_600_000;

const newId = (prefix: "we" | "evt", now: number): string =>
  `${prefix}_${newUuidV7(now, 0).replaceAll("-", "")}`;

function endpointAnswer(endpoint: store.Endpoint): EndpointAnswer {
  const { id, tenant, url, events, description, failures, failingSince, notBefore } = endpoint;
  const { pausedBecause, pausedAt, previousUntil } = endpoint;
  return {
    id,
    tenant,
    url,
    events,
    ...(description !== null && { description }),
    ...(pausedBecause !== null &&
      pausedAt !== null && { paused: { because: pausedBecause, at: iso(pausedAt) } }),
    health: {
      failures,
      ...(failingSince !== null && { failingSince: iso(failingSince) }),
      ...(notBefore !== null && { notBefore: iso(notBefore) }),
    },
    ...(previousUntil !== null && { previousSecretUntil: iso(previousUntil) }),
    createdAt: iso(endpoint.createdAt),
    updatedAt: iso(endpoint.updatedAt),
  };
}

/** The URL as it is stored, or `invalid` with the name of the field. */
function allowedUrl(env: ApiEnv, text: string): Result<string, Failure> {
  const policy = outboundPolicy(env);
  if (!policy.ok) return policy;
  const checked = checkUrl(text, policy.value);
  if (checked.ok) return checked;
  return fail({ tag: "invalid", errors: [{ path: "url", message: checked.error }] });
}

async function encryptedSecret(
  env: ApiEnv,
  endpointId: string,
): Promise<Result<{ secret: string; encrypted: string }, Failure>> {
  const key = secretsKey(env);
  if (!key.ok) return key;
  const secret = newSecret();
  return ok({ secret, encrypted: await encryptSecret(key.value, endpointId, secret) });
}

export const createWebhookEndpoint: Handler<"createWebhookEndpoint"> = async (call) => {
  const { body, env, caller, now } = call;
  const url = allowedUrl(env, body.url);
  if (!url.ok) return url;
  const id = newId("we", now);
  const secret = await encryptedSecret(env, id);
  if (!secret.ok) return secret;
  const tenant = tenantOf(caller);
  const { events, description = null } = body;
  const endpoint = { id, tenant, url: url.value, events, description };
  const keyed = await keyedRequest(call, body);
  const created = await writeDatabase(
    () => store.insertEndpoint(env.DB, { ...endpoint, secret: secret.value.encrypted }, keyed, now),
    async (): Promise<store.Created | null> => {
      const found = await store.findEndpoint(env.DB, id, tenant);
      return found === null ? null : { tag: "created", endpoint: found };
    },
  );
  if (!created.ok) return created;
  switch (created.value.tag) {
    case "created":
      return json(
        { endpoint: endpointAnswer(created.value.endpoint), secret: secret.value.secret },
        { status: 201, headers: { Location: `/api/webhook-endpoints/${id}` } },
      );
    case "too-many":
      return fail({
        tag: "wrong-state",
        detail: `A tenant has at most ${store.MAX_ENDPOINTS_OF_TENANT} webhook endpoints.`,
      });
    case "answered":
      return answerAgain(created.value.first, keyed);
  }
};

export const listWebhookEndpoints: Handler<"listWebhookEndpoints"> = async ({
  query: { limit, cursor },
  env,
  caller,
}) => {
  const found = await readDatabase(env, () =>
    store.findEndpoints(env.DB, ownerOf(caller), cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, (one) => one.createdAt);
  return json({ items: rows.map(endpointAnswer), ...next });
};

/** An endpoint of another tenant is answered like one that does not exist. */
export const getWebhookEndpoint: Handler<"getWebhookEndpoint"> = async ({
  params: { endpointId },
  env,
  caller,
}) => {
  const found = await readDatabase(env, () =>
    store.findEndpoint(env.DB, endpointId, ownerOf(caller)),
  );
  if (!found.ok) return found;
  return await answerOf(found.value);
};

type Changed = Promise<Result<Response, Failure>>;

/** Writing it twice has the effect of writing it once. */
async function change(write: () => Promise<store.Endpoint | null>): Changed {
  const changed = await writeDatabase(write, write);
  return changed.ok ? await answerOf(changed.value) : changed;
}

async function answerOf(endpoint: store.Endpoint | null): Changed {
  if (endpoint === null) return fail(noEndpoint);
  return await withEtag(json(endpointAnswer(endpoint)), tagged(endpoint));
}

/** Not its health, which calls change. */
const tagged = (endpoint: store.Endpoint): unknown => {
  const { health: _, updatedAt: __, ...answer } = endpointAnswer(endpoint);
  return answer;
};

export const updateWebhookEndpoint: Handler<"updateWebhookEndpoint"> = async ({
  request,
  params: { endpointId: id },
  body,
  env,
  caller,
  now,
}) => {
  const url = body.url === undefined ? ok(undefined) : allowedUrl(env, body.url);
  if (!url.ok) return url;
  const owned = { id, tenant: ownerOf(caller) };
  const asRead = await whenRead(
    request,
    () => readDatabase(env, () => store.findEndpoint(env.DB, id, owned.tenant)),
    { absent: noEndpoint, answerOf: tagged, versionOf: timeOfChange },
  );
  if (!asRead.ok) return asRead;
  const changes = { ...body, url: url.value, readAt: asRead.value };
  if (asRead.value === null)
    return await change(() => store.saveEndpoint(env.DB, owned, changes, now));
  const saved = await writeDatabase(() => store.saveEndpoint(env.DB, owned, changes, now));
  if (!saved.ok) return saved;
  if (saved.value === null) return fail({ tag: "precondition-failed" });
  return await answerOf(saved.value);
};

export const pauseWebhookEndpoint: Handler<"pauseWebhookEndpoint"> = async ({
  params: { endpointId: id },
  env,
  caller,
  now,
}) => await change(() => store.pauseEndpoint(env.DB, { id, tenant: ownerOf(caller) }, now));

export const resumeWebhookEndpoint: Handler<"resumeWebhookEndpoint"> = async ({
  params: { endpointId: id },
  env,
  caller,
  now,
}) => {
  const owned = { id, tenant: ownerOf(caller) };
  const resumed = await change(() => store.resumeEndpoint(env.DB, owned, now));
  if (resumed.ok) lookSoon(env, id);
  return resumed;
};

export const rotateWebhookSecret: Handler<"rotateWebhookSecret"> = async ({
  params: { endpointId: id },
  env,
  caller,
  now,
}) => {
  const secret = await encryptedSecret(env, id);
  if (!secret.ok) return secret;
  const owned = { id, tenant: ownerOf(caller) };
  const next = { secret: secret.value.encrypted, previousUntil: now + OVERLAP_MS };
  const write = () => store.replaceSecret(env.DB, owned, next, now);
  const rotated = await writeDatabase(write, write);
  if (!rotated.ok) return rotated;
  if (rotated.value === null) return fail(noEndpoint);
  const answer = { endpoint: endpointAnswer(rotated.value), secret: secret.value.secret };
  return json(answer, { status: 201 });
};

export const deleteWebhookEndpoint: Handler<"deleteWebhookEndpoint"> = async ({
  params: { endpointId: id },
  env,
  caller,
}) => {
  const owned = { id, tenant: ownerOf(caller) };
  const gone = await writeDatabase(() => store.deleteEndpoint(env.DB, owned));
  if (!gone.ok) return gone;
  return gone.value ? noContent() : fail(noEndpoint);
};

export const testWebhookEndpoint: Handler<"testWebhookEndpoint"> = async (call) => {
  const { params, env, caller, now } = call;
  const { endpointId } = params;
  const keyed = await keyedRequest(call, endpointId);
  return await createOnce(call, keyed, {
    create: async () => {
      const eventId = newId("evt", now);
      const event = { eventId, endpointId, tenant: ownerOf(caller), keyed };
      const written = await writeDatabase(() => insertTestEvent(env.DB, event, now));
      if (!written.ok) return written;
      if (!written.value) return fail(noEndpoint);
      lookSoon(env, endpointId);
      return testAnswer(`${eventId}.${endpointId}`);
    },
    again: async (deliveryId) => testAnswer(deliveryId),
  });
};

const testAnswer = (deliveryId: string) =>
  json({ eventId: deliveryId.split(".", 1)[0] ?? "", deliveryId }, { status: 202 });
