import type { SenderAnswer } from "../../shared/contract/sender-schemas.ts";
import type { KeyedRequest } from "../../shared/database/answered-requests.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { SHARED } from "../../shared/email/rules/shared-tenant.ts";
import type { TransportName } from "../../shared/email/rules/transports.ts";
import { emailTransports } from "../../shared/email/settings.ts";
import * as store from "../../shared/email/sql/senders.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import { json, noContent, type Call, type Handler } from "./call.ts";
import { timeOfChange, whenRead, withEtag } from "./etag.ts";
import { createOnce, keyedRequest, readAgain } from "./keyed.ts";
import { newSenderId, noSender, senderAnswer } from "./sender-answer.ts";

/** A transport that is not configured would keep its emails waiting. */
function checkTransports(
  env: ApiEnv,
  order: readonly TransportName[] | null | undefined,
): Result<null, Failure> {
  const configured = emailTransports(env);
  if (!configured.ok) return configured;
  const missing = (order ?? []).filter((name) => !configured.value.includes(name));
  if (missing.length === 0) return ok(null);
  const message = `${missing.join(", ")} is not in EMAIL_TRANSPORTS`;
  return fail({ tag: "invalid", errors: [{ path: "transport", message }] });
}

export const createSender: Handler<"createSender"> = async (call) => {
  const keyed = await keyedRequest(call, call.body);
  return await createOnce(call, keyed, {
    create: () => create(call, keyed),
    again: (id) =>
      readAgain(
        call.env,
        () => store.findSender(call.env.DB, { id, tenant: null }),
        (found) => json(senderAnswer(found), { status: 201 }),
      ),
  });
};

async function create(
  { body, env, now }: Call<"createSender">,
  keyed: KeyedRequest | null,
): Promise<Result<Response, Failure>> {
  const { address, domain, tenant = SHARED, name = null, transport = [] } = body;
  const checked = checkTransports(env, transport);
  if (!checked.ok) return checked;
  const id = newSenderId(now);
  const identity = address ?? domain ?? "";
  const sender = { id, identity, tenant, name, transportOrder: transport };
  const created = await writeDatabase(
    () => store.insertTrusted(env.DB, sender, now, keyed),
    async (): Promise<store.SenderCreated | null> => {
      const found = await store.findTrusted(env.DB, sender, now);
      return found === null ? null : { tag: "created", sender: found };
    },
  );
  if (!created.ok) return created;
  switch (created.value.tag) {
    case "created": {
      const headers = { Location: `/api/admin/email/senders/${created.value.sender.id}` };
      return json(senderAnswer(created.value.sender), { status: 201, headers });
    }
    case "no-tenant":
      return fail({
        tag: "invalid",
        errors: [{ path: "tenant", message: "is no user, or a deleted one" }],
      });
    case "taken":
      return fail({ tag: "conflict", field: address === undefined ? "domain" : "address" });
  }
}

export const listSenders: Handler<"listSenders"> = async ({ query, env }) => {
  const { limit, cursor, tenant } = query;
  const found = await readDatabase(env, () =>
    store.findSenders(env.DB, tenant ?? null, cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, (one) => one.createdAt);
  return json({ items: rows.map(senderAnswer), ...next });
};

export const getSender: Handler<"getSender"> = async ({ params: { senderId: id }, env }) => {
  const found = await readDatabase(env, () => store.findSender(env.DB, { id, tenant: null }));
  return found.ok ? await answerOf(found.value) : found;
};

async function answerOf(sender: store.StoredSender | null): Promise<Result<Response, Failure>> {
  if (sender === null) return fail(noSender);
  const answer: SenderAnswer = senderAnswer(sender);
  return await withEtag(json(answer), answer);
}

/** Writing it twice has the effect of writing it once. */
export const updateSender: Handler<"updateSender"> = async ({
  request,
  params,
  body,
  env,
  now,
}) => {
  const { name, transport: transportOrder } = body;
  const checked = checkTransports(env, transportOrder);
  if (!checked.ok) return checked;
  const owned = { id: params.senderId, tenant: null };
  const asRead = await whenRead(
    request,
    () => readDatabase(env, () => store.findSender(env.DB, owned)),
    { absent: noSender, answerOf: senderAnswer, versionOf: timeOfChange },
  );
  if (!asRead.ok) return asRead;
  const changes = { name, transportOrder, readAt: asRead.value };
  const write = () => store.saveSender(env.DB, params.senderId, changes, now);
  // A repeat of a conditional write would be refused because of the first.
  const saved = await writeDatabase(write, asRead.value === null ? write : undefined);
  if (!saved.ok) return saved;
  if (saved.value === null && asRead.value !== null) return fail({ tag: "precondition-failed" });
  return await answerOf(saved.value);
};

export const deleteSender: Handler<"deleteSender"> = async ({ params: { senderId: id }, env }) => {
  const gone = await writeDatabase(() => store.deleteStoredSender(env.DB, { id, tenant: null }));
  if (!gone.ok) return gone;
  return gone.value ? noContent() : fail(noSender);
};
