import type { CacheTagIndex } from "../../shared/lib/cache/tags/object/object.ts";
import { cacheHitRows } from "../cache-hits.ts";
export { CacheTagIndex } from "../../shared/lib/cache/tags/object/object.ts";

type Env = { CACHE_TAG_INDEX: DurableObjectNamespace<CacheTagIndex> };

const MEMBERS_PER_SYNC = 500;

/** What of the cache is measured inside workerd. */
export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const tag = searchParams.get("tag") ?? "";
    const count = Number(searchParams.get("count") ?? 0);
    const index = env.CACHE_TAG_INDEX.getByName("bench");
    switch (pathname) {
      case "/hits":
        return Response.json(await cacheHitRows("workerd"));
      case "/fill": {
        const expiresAt = Date.now() + 86_400_000;
        for (let from = 0; from < count; from += MEMBERS_PER_SYNC) {
          const keys = Array.from(
            { length: Math.min(MEMBERS_PER_SYNC, count - from) },
            (_, n) => `${tag}:${from + n}`,
          );
          await index.sync({
            since: null,
            stored: keys.map((key) => ({ key, tags: [tag], seq: 0, expiresAt })),
          });
        }
        return new Response();
      }
      case "/purge": {
        const started = performance.now();
        for (let n = 0; n < count; n += 1)
          await index.purge({ since: null, tags: [tag], mode: "soft" });
        return new Response(String(((performance.now() - started) / count) * 1_000));
      }
      default:
        return new Response(null, { status: 404 });
    }
  },
} satisfies ExportedHandler<Env>;
