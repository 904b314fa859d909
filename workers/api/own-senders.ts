import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import {
  newChallenge,
  requestVerification,
  verifyNow,
} from "../../shared/email/sender-verification.ts";
import * as store from "../../shared/email/sql/senders.ts";
import { templatesInCache } from "../../shared/email/templates/published.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { json, noContent, tenantOf, type Handler } from "./call.ts";
import { createOnce, keyedRequest, readAgain } from "./keyed.ts";
import { outboxOf } from "./outbox.ts";
import { newSenderId, noSender, senderAnswer } from "./sender-answer.ts";

/** Senders of the caller. One of another tenant is answered like one that does not exist. */

export const requestSender: Handler<"requestSender"> = async (call) => {
  const { body, env, caller, now } = call;
  const { address, domain, name = null } = body;
  const outbox = outboxOf(env);
  const pending = {
    id: newSenderId(now),
    identity: address ?? domain ?? "",
    tenant: tenantOf(caller),
    name,
    challenge: domain === undefined ? null : newChallenge(),
  };
  const keyed = await keyedRequest(call, body);
  const create = async () => {
    const made = await requestVerification(
      { outbox, env, readTemplates: templatesInCache(env), now },
      pending,
      keyed,
    );
    if (!made.ok) return made;
    const headers = { Location: `/api/senders/${made.value.id}` };
    return json(senderAnswer(made.value), { status: 201, headers });
  };
  const again = (id: string) =>
    readAgain(
      env,
      () => store.findSender(env.DB, { id, tenant: pending.tenant }),
      (found) => json(senderAnswer(found), { status: 201 }),
    );
  return await createOnce(call, keyed, { create, again });
};

export const listOwnSenders: Handler<"listOwnSenders"> = async ({ query, env, caller }) => {
  const { limit, cursor } = query;
  const found = await readDatabase(env, () =>
    store.findSenders(env.DB, tenantOf(caller), cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, (one) => one.createdAt);
  return json({ items: rows.map(senderAnswer), ...next });
};

export const getOwnSender: Handler<"getOwnSender"> = async ({ params, env, caller }) => {
  const owned = { id: params.senderId, tenant: tenantOf(caller) };
  const found = await readDatabase(env, () => store.findSender(env.DB, owned));
  if (!found.ok) return found;
  return found.value === null ? fail(noSender) : json(senderAnswer(found.value));
};

export const verifySender: Handler<"verifySender"> = async ({ params, env, caller, now }) => {
  const outbox = outboxOf(env);
  const owned = { id: params.senderId, tenant: tenantOf(caller) };
  const verified = await verifyNow(
    { outbox, env, readTemplates: templatesInCache(env), now },
    owned,
  );
  return verified.ok ? json(senderAnswer(verified.value)) : verified;
};

export const deleteOwnSender: Handler<"deleteOwnSender"> = async ({ params, env, caller }) => {
  const owned = { id: params.senderId, tenant: tenantOf(caller) };
  const gone = await writeDatabase(() => store.deleteStoredSender(env.DB, owned));
  if (!gone.ok) return gone;
  return gone.value ? noContent() : fail(noSender);
};
