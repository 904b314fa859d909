import * as v from "valibot";
import { readDatabase, type ReadFailure } from "../../database/read.ts";
import { fail, ok, type Result } from "../../lib/base/result.ts";
import type { CacheFailure, Keep } from "../../lib/cache/index.ts";
import { fanOut } from "../../lib/worker/fan-out.ts";
import { record } from "../../lib/worker/record.ts";
import { readCounted, type CountedCacheEnv } from "../../telemetry/counted-cache.ts";
import { SHARED } from "../rules/shared-tenant.ts";
import { findPublishedIds, findPublishedVersion } from "../sql/published-templates.ts";
import type { PublishedTemplate } from "./compose.ts";
import { noTemplates, type ReadTemplates } from "./named.ts";
import { publishedKey, versionKey } from "./rules/keys.ts";

type CachedEnv = CountedCacheEnv & { DB: D1Database };

/**
 * Through the cache: what a tenant has published is at most as old as the staleness bound, and a
 * version never changes. If KV or the tag index fails, D1 is asked.
 */
export const templatesInCache =
  (env: CachedEnv): ReadTemplates =>
  async (tenant, names) => {
    if (names.length === 0) return ok(noTemplates);
    const own = await publishedBy(env, tenant);
    if (!own.ok) return own;
    const shared = await publishedBy(env, SHARED);
    if (!shared.ok) return shared;
    const ids = [own.value, shared.value].flatMap((published) =>
      names.flatMap((name) => (Object.hasOwn(published, name) ? [published[name] ?? ""] : [])),
    );
    const versions = await fanOut([...new Set(ids)], async (id) => ({
      id,
      read: await readVersion(env, id),
    }));
    const contents = new Map<string, PublishedTemplate | null>();
    for (const { id, read } of versions) {
      if (!read.ok) return read;
      contents.set(id, read.value);
    }
    const of = (published: PublishedIds, name: string): PublishedTemplate | null =>
      Object.hasOwn(published, name) ? (contents.get(published[name] ?? "") ?? null) : null;
    return ok(
      new Map(
        names.map((name) => [name, { own: of(own.value, name), shared: of(shared.value, name) }]),
      ),
    );
  };

/** Ids of versions, by the names of their templates. */
const publishedIds = record(v.string(), v.string());
type PublishedIds = Readonly<v.InferOutput<typeof publishedIds>>;

async function publishedBy(
  env: CachedEnv,
  tenant: string,
): Promise<Result<PublishedIds, ReadFailure>> {
  const tenants = [...new Set([tenant, SHARED])];
  const read = await readCounted(env, publishedKey(tenant), {
    schema: publishedIds,
    tags: [],
    consistency: "bounded",
    // One round trip answers for the tenant and for all.
    load: async (_signal: AbortSignal, keep: Keep) => {
      const found = await readDatabase(env, () => findPublishedIds(env.DB, tenants));
      if (!found.ok) return found;
      const of = (owner: string): PublishedIds =>
        Object.fromEntries(
          found.value.flatMap((one) => (one.tenant === owner ? [[one.name, one.id]] : [])),
        );
      if (tenant !== SHARED) keep(publishedKey(SHARED), of(SHARED), keptOptions);
      return ok(of(tenant));
    },
  });
  return read.ok ? ok(read.value ?? {}) : fail(asReadFailure(read.error));
}

const keptOptions = { schema: publishedIds, tags: [] };

const publishedTemplate = v.strictObject({
  version: v.number(),
  subject: v.string(),
  html: v.string(),
  text: v.nullable(v.string()),
  layout: v.boolean(),
});

/** Null: it was deleted. */
async function readVersion(
  env: CachedEnv,
  id: string,
): Promise<Result<PublishedTemplate | null, ReadFailure>> {
  const read = await readCounted(env, versionKey(id), {
    schema: publishedTemplate,
    tags: [],
    load: () => readDatabase(env, () => findPublishedVersion(env.DB, id)),
  });
  return read.ok ? ok(read.value) : fail(asReadFailure(read.error));
}

/** The cache itself fails only if D1 does not answer, or answers too many at once. */
function asReadFailure(error: ReadFailure | CacheFailure): ReadFailure {
  return error.tag === "unavailable" || error.tag === "circuit-open"
    ? error
    : { tag: "unavailable", dependency: "database" };
}
