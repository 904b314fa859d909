import type { HeartbeatAnswer, PingAnswer } from "../../shared/contract/heartbeats.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { publicUrl } from "../../shared/email/settings.ts";
import { applyToObject, heartbeatOf } from "../../shared/heartbeats/apply.ts";
import type { HeartbeatReply, KeptPing } from "../../shared/heartbeats/rules/rpc.ts";
import * as store from "../../shared/heartbeats/sql/heartbeats.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { iso } from "../../shared/http/time.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import { newUuidV7 } from "../../shared/lib/base/uuid.ts";
import { fanOut } from "../../shared/lib/worker/fan-out.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import type { ApiEnv } from "../env.ts";
import { json, noContent, ownerOf, tenantOf, type CallerOf, type Handler } from "./call.ts";
import { whenRead, withEtag } from "./etag.ts";
import { answerAgain, keyedRequest } from "./keyed.ts";

/** After this the state of a heartbeat is shown as unknown. */
const OBJECT_TIMEOUT_MS = 2_000;
const noHeartbeat: Failure = { tag: "not-found", what: "heartbeat" };

type Shown = { env: ApiEnv; url: URL; caller: CallerOf<"caller"> };

/** Null if its object does not answer, or does not have it yet. */
async function stateOf(env: ApiEnv, token: string): Promise<HeartbeatReply | null> {
  try {
    return await within(OBJECT_TIMEOUT_MS, heartbeatOf(env, token).inspect());
  } catch (error) {
    log("error", "heartbeat.unreachable", describeError(error));
    return null;
  }
}

async function answerOf({ env, url, caller }: Shown, row: store.HeartbeatRow) {
  const state = await stateOf(env, row.token);
  const base = publicUrl(env);
  const { id, tenant, name, schedule, graceMs } = row;
  const answer: HeartbeatAnswer = {
    id,
    tenant,
    name,
    schedule,
    graceSeconds: graceMs / 1_000,
    ...(mayManage(caller) && {
      pingUrl: `${base.ok ? base.value : url.origin}/ping/${row.token}`,
    }),
    ...(state === null ? { status: "unknown" } : stateAnswer(state)),
    createdAt: iso(row.createdAt),
    updatedAt: iso(row.updatedAt),
  };
  return answer;
}

/** Who knows the URL can ping. */
const mayManage = ({ scopes }: CallerOf<"caller">): boolean => scopes.includes("heartbeats:manage");

const at = <Name extends string>(name: Name, time: number | null) =>
  (time === null ? {} : { [name]: iso(time) }) as { [Key in Name]?: string };

function stateAnswer(state: HeartbeatReply) {
  const { status, lastDurationMs, down, pings } = state;
  return {
    status,
    pings,
    ...at("lastPingAt", state.lastPingAt),
    ...(lastDurationMs !== null && { lastDurationMs }),
    ...at("startedAt", state.startedAt),
    ...at("lateFrom", state.lateFrom),
    ...at("downAt", state.downAt),
    ...(down !== null && { down: { since: iso(down.since), because: down.because } }),
  };
}

export const createHeartbeat: Handler<"createHeartbeat"> = async ({
  body,
  idempotencyKey,
  operation,
  env,
  url,
  caller,
  now,
}) => {
  const id = `hb_${newUuidV7(now, 0).replaceAll("-", "")}`;
  const tenant = tenantOf(caller);
  const { name, schedule, graceSeconds } = body;
  const heartbeat = {
    id,
    token: crypto.randomUUID(),
    tenant,
    name,
    schedule,
    graceMs: graceSeconds * 1_000,
  };
  const keyed = await keyedRequest({ operation, caller, idempotencyKey }, body);
  const created = await writeDatabase(
    () => store.insertHeartbeat(env.DB, heartbeat, keyed, now),
    async (): Promise<store.CreatedHeartbeat | null> => {
      const found = await store.findHeartbeat(env.DB, id, tenant);
      return found === null ? null : { tag: "created", heartbeat: found };
    },
  );
  if (!created.ok) return created;
  switch (created.value.tag) {
    case "created": {
      await applyToObject(env, created.value.heartbeat, now);
      const answer = await answerOf({ env, url, caller }, created.value.heartbeat);
      return json(answer, { status: 201, headers: { Location: `/api/heartbeats/${id}` } });
    }
    case "too-many":
      return fail({
        tag: "wrong-state",
        detail: `A tenant has at most ${store.MAX_HEARTBEATS_OF_TENANT} heartbeats.`,
      });
    case "answered":
      return answerAgain(created.value.first, keyed);
  }
};

/** A heartbeat whose object does not answer is unknown, and hides no other. */
export const listHeartbeats: Handler<"listHeartbeats"> = async ({
  query: { limit, cursor },
  env,
  url,
  caller,
}) => {
  const found = await readDatabase(env, () =>
    store.findHeartbeats(env.DB, ownerOf(caller), cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, (one) => one.createdAt);
  const items = await fanOut(rows, (row) => answerOf({ env, url, caller }, row));
  return json({ items, ...next });
};

/** A heartbeat of another tenant is answered like one that does not exist. */
async function findOwn(
  env: ApiEnv,
  caller: CallerOf<"caller">,
  id: string,
): Promise<Result<store.HeartbeatRow, Failure>> {
  const found = await readDatabase(env, () => store.findHeartbeat(env.DB, id, ownerOf(caller)));
  if (!found.ok) return found;
  return found.value === null ? fail(noHeartbeat) : { ok: true, value: found.value };
}

export const getHeartbeat: Handler<"getHeartbeat"> = async ({ params, env, url, caller }) => {
  const found = await findOwn(env, caller, params.heartbeatId);
  return found.ok ? await taggedAnswer({ env, url, caller }, found.value) : found;
};

/** What the tag of a heartbeat covers: each change by its owner. Its state is none. */
const tagged = ({ id, revision }: Pick<store.HeartbeatRow, "id" | "revision">): unknown => ({
  id,
  revision,
});

const taggedAnswer = async (to: Shown, row: store.HeartbeatRow) =>
  await withEtag(json(await answerOf(to, row)), tagged(row));

type Change = Shown & { now: number; id: string; changes: store.HeartbeatChanges };

/** A repeat is one more revision of the same. */
async function change(asked: Change): Promise<Result<Response, Failure>> {
  const { env, url, caller, now, id, changes } = asked;
  const owned = { id, tenant: ownerOf(caller) };
  const { readRevision = null } = changes;
  const write = () => store.saveHeartbeatChanges(env.DB, owned, changes, now);
  // A repeat of a conditional write would be refused because of the first.
  const saved = await writeDatabase(write, readRevision === null ? write : undefined);
  if (!saved.ok) return saved;
  if (saved.value === null && readRevision !== null) return fail({ tag: "precondition-failed" });
  if (saved.value === null) return fail(noHeartbeat);
  await applyToObject(env, saved.value, now);
  return await taggedAnswer({ env, url, caller }, saved.value);
}

export const updateHeartbeat: Handler<"updateHeartbeat"> = async ({
  request,
  params: { heartbeatId: id },
  body: { name, schedule, graceSeconds },
  env,
  url,
  caller,
  now,
}) => {
  const graceMs = graceSeconds === undefined ? undefined : graceSeconds * 1_000;
  const asRead = await whenRead(
    request,
    () => readDatabase(env, () => store.findHeartbeat(env.DB, id, ownerOf(caller))),
    { absent: noHeartbeat, answerOf: tagged, versionOf: ({ revision }) => revision },
  );
  if (!asRead.ok) return asRead;
  const changes = { name, schedule, graceMs, readRevision: asRead.value };
  return await change({ env, url, caller, now, id, changes });
};

export const pauseHeartbeat: Handler<"pauseHeartbeat"> = async ({
  params: { heartbeatId: id },
  env,
  url,
  caller,
  now,
}) => await change({ env, url, caller, now, id, changes: { isPaused: true } });

export const resumeHeartbeat: Handler<"resumeHeartbeat"> = async ({
  params: { heartbeatId: id },
  env,
  url,
  caller,
  now,
}) => await change({ env, url, caller, now, id, changes: { isPaused: false } });

export const deleteHeartbeat: Handler<"deleteHeartbeat"> = async ({
  params: { heartbeatId: id },
  env,
  caller,
  now,
}) => {
  const owned = { id, tenant: ownerOf(caller) };
  const ended = await writeDatabase(() => store.endHeartbeat(env.DB, owned, now));
  if (!ended.ok) return ended;
  if (ended.value === null) return fail(noHeartbeat);
  await applyToObject(env, ended.value, now);
  return noContent();
};

export const heartbeatHistory: Handler<"heartbeatHistory"> = async ({
  params: { heartbeatId },
  query: { limit, cursor },
  env,
  caller,
}) => {
  const found = await findOwn(env, caller, heartbeatId);
  if (!found.ok) return found;
  const before = cursor === undefined ? null : Number(cursor.id);
  const pings = await pingsOf(env, found.value.token, { before, limit: limit + 1 });
  if (pings === null) return fail({ tag: "unavailable", dependency: "heartbeat" });
  const rows = pings.map((ping) => ({ ...ping, id: String(ping.n) }));
  const { rows: shown, ...next } = pageFrom(rows, limit, (ping) => ping.at);
  return json({ items: shown.map(pingAnswer), ...next });
};

async function pingsOf(
  env: ApiEnv,
  token: string,
  page: { before: number | null; limit: number },
): Promise<KeptPing[] | null> {
  try {
    const reply = await within(OBJECT_TIMEOUT_MS, heartbeatOf(env, token).listPings(page));
    return reply.ok ? reply.value : null;
  } catch (error) {
    log("error", "heartbeat.unreachable", describeError(error));
    return null;
  }
}

const pingAnswer = ({ n, kind, method, exitStatus, rid, durationMs, body, ...ping }: KeptPing) => {
  const answer: PingAnswer = {
    n,
    at: iso(ping.at),
    kind,
    method,
    ...(exitStatus !== null && { exitStatus }),
    ...(rid !== null && { rid }),
    ...(durationMs !== null && { durationMs }),
    ...(body !== "" && { body }),
  };
  return answer;
};
