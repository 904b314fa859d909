import { cacheOf, cacheStatusField, fail, ok, readCached, type CacheEnv } from "luna-backend/cache";
import { guard } from "luna-backend/circuit-breaker";
import * as v from "valibot";

/** A Worker that hosts its own circuit breakers and tag index: nothing else of Luna runs. */
export { CacheTagIndex } from "luna-backend/cache";
export { CircuitBreaker } from "luna-backend/circuit-breaker";

const rate = v.strictObject({ currency: v.string(), perEuro: v.number() });

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const currency = searchParams.get("currency") ?? "USD";
    switch (`${request.method} ${pathname}`) {
      case "GET /rate": {
        const rates = guard(env, "rates", {
          timeoutMs: 2_000,
          calleeTimesOut: false,
          countsAsFailure: () => true,
        });
        const read = await readCached(env, `rate:${currency}`, {
          schema: rate,
          tags: ["rates"],
          load: async () => {
            const asked = await rates(async (signal) => {
              const response = await fetch(`${env.RATES_URL}/${encodeURIComponent(currency)}`, {
                signal: signal ?? null,
              });
              if (!response.ok) throw new Error(`the rates answered ${response.status}`);
              return v.parse(rate, await response.json());
            });
            return asked.ok ? ok(asked.value) : fail(asked.error.tag);
          },
        });
        const headers = { "Cache-Status": cacheStatusField(read.status, "standalone") };
        return read.ok
          ? Response.json(read.value, { headers })
          : Response.json({ error: "the rates are down" }, { status: 503, headers });
      }
      case "POST /rates-changed":
        return Response.json(await cacheOf(env).purge(["rates"]));
      case "GET /health":
        return Response.json(await env.CIRCUIT_BREAKER.getByName("rates").inspect());
      default:
        return new Response(null, { status: 404 });
    }
  },
} satisfies ExportedHandler<CacheEnv & { RATES_URL: string }>;
