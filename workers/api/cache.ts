import {
  apiKeyKey,
  emailKey,
  relatedKey,
  relatedReads,
  userKey,
} from "../../shared/accounts/rules/keys.ts";
import { findNames } from "../../shared/accounts/sql/users.ts";
import * as contract from "../../shared/contract/cache.ts";
import { insertPurge } from "../../shared/database/purge-outbox/pending-purges.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { type PurgeReply } from "../../shared/lib/cache/index.ts";
import { INDEX_NAME, type TagInspection } from "../../shared/lib/cache/rules/index.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import type { Invalid } from "../../shared/lib/worker/validate.ts";
import { countedCache } from "../../shared/telemetry/counted-cache.ts";
import type { ApiEnv } from "../env.ts";
import { json, loggedActor, type Call, type Handler } from "./call.ts";

const OBJECT_TIMEOUT_MS = 2_000;

/** Keys that one request deletes from KV, six at a time. The tag index deletes the rest. */
const MAX_DELETIONS = 60;

/** A purge names one of these. */
const selectors = Object.keys(contract.invalidate.body.entries).filter((name) => name !== "mode");

type Invalidation = Call<"invalidate">["body"];

/**
 * Purges. `invalidated` counts the names in `keys` that are purged: entries under them are no
 * longer served here, nor elsewhere after the staleness bound. `failures` are names whose copy in
 * KV could not be deleted at once, or that did not reach the tag index; `error` has the reason.
 * `pending` counts entries, up to 100, whose space is still to be reclaimed.
 */
export const invalidate: Handler<"invalidate"> = async ({ body, env, caller, now }) => {
  const names = await namesOf(env, body);
  if (!names.ok) return names;
  const { tags, keys } = names.value;
  const { mode } = body;
  const cache = countedCache(env);
  const purged = await cache.purge(tags, mode);
  const by = selectors.find((name) => name in body);
  log("info", "cache.purged_by_operator", {
    actor: loggedActor(caller.actor),
    by,
    mode,
    names: tags.length,
    done: purged.ok,
  });
  const all = tags === "everything" ? ["*"] : tags;
  if (!purged.ok)
    return purged.error.tag === "refused"
      ? fail({ tag: "internal" })
      : await queuePurge(env, { tags, mode, all, now });
  const failures = mode === "hard" ? await cache.deleteFromKv(keys.slice(0, MAX_DELETIONS)) : [];
  return json(answer(all, all.length, failures, purged.value));
};

/** `all`: the names that the answer lists. */
type QueuedPurge = {
  tags: readonly string[] | "everything";
  mode: "hard" | "soft";
  all: readonly string[];
  now: number;
};

/** While the index does not answer, the purge waits in the outbox. */
async function queuePurge(
  env: ApiEnv,
  { tags, mode, all, now }: QueuedPurge,
): Promise<Result<Response, Failure>> {
  const written = await writeDatabase(() =>
    insertPurge(env.DB, { id: crypto.randomUUID(), tags, mode, createdAt: now }).run(),
  );
  if (!written.ok) return written;
  const failures = all.map((key) => ({
    key,
    error: "the tag index did not answer; the purge is delivered as soon as it does",
  }));
  return json(answer(all, 0, failures, null), { status: 202 });
}

function answer(
  keys: readonly string[],
  invalidated: number,
  failures: { key: string; error: string }[],
  reply: PurgeReply | null,
) {
  return {
    invalidated,
    failed: failures.length,
    keys,
    failures,
    pending: reply?.pending ?? null,
    seq: reply?.meta.seq ?? null,
  };
}

/** What to purge, and the known keys under it. */
async function namesOf(
  env: ApiEnv,
  wanted: Invalidation,
): Promise<Result<{ tags: string[] | "everything"; keys: string[] }, Failure>> {
  if (wanted.all === true) return ok({ tags: "everything", keys: [] });
  if (wanted.pattern !== undefined) return ok({ tags: [wanted.pattern], keys: [] });
  if (wanted.tags !== undefined) return nonEmpty("tags", wanted.tags, []);
  if (wanted.keys !== undefined) return nonEmpty("keys", wanted.keys, wanted.keys);
  const id = wanted.userId ?? "";
  const found = await readDatabase(env, () => findNames(env.DB, id));
  // Without D1 the tag still covers every entry of the user.
  const names = found.ok ? found.value : null;
  const keys = [
    userKey(id),
    ...relatedReads.map((what) => relatedKey(id, what)),
    ...(names === null ? [] : [emailKey(names.email)]),
    ...(names === null || names.apiKeyHash === null ? [] : [apiKeyKey(names.apiKeyHash)]),
  ];
  return ok({ tags: keys, keys });
}

function nonEmpty(
  path: string,
  tags: string[],
  keys: string[],
): Result<{ tags: string[]; keys: string[] }, Failure> {
  if (tags.length === 0)
    return fail({ tag: "invalid", errors: [{ path, message: "must name at least one" }] });
  return ok({ tags: [...new Set(tags)], keys });
}

/**
 * A tag, key or pattern with the entries under it, ordered by key. `nextCursor` is present while
 * more follow.
 */
export const inspectTag: Handler<"inspectTag"> = async ({ env, params: { tag }, query }) => {
  const { limit, cursor } = query;
  const asked = { tag, limit: limit + 1, ...(cursor !== undefined && { after: cursor }) };
  try {
    const index = getStub(env.CACHE_TAG_INDEX, INDEX_NAME, env);
    const inspected = await within(
      OBJECT_TIMEOUT_MS,
      (async (): Promise<Result<TagInspection, Invalid>> => await index.inspect(asked))(),
    );
    return inspected.ok ? json(tagAnswer(inspected.value, limit)) : fail(inspected.error);
  } catch (error) {
    log("error", "cache_tags.unreachable", describeError(error));
    return fail({ tag: "unavailable", dependency: "tag index" });
  }
};

function tagAnswer(inspection: TagInspection, limit: number) {
  const { members, purgedAt, sizeBytes: _, ...rest } = inspection;
  const shown = members.slice(0, limit);
  const last = shown.at(-1);
  const more = members.length > limit && last !== undefined;
  return {
    ...rest,
    ...(purgedAt !== null && { purgedAt: new Date(purgedAt).toISOString() }),
    members: shown.map(({ expiresAt, ...member }) => ({
      ...member,
      expiresAt: new Date(expiresAt).toISOString(),
    })),
    ...(more && { nextCursor: last.key }),
  };
}
