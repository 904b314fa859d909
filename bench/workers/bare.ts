/** What a Worker costs that does nothing: it answers from memory what it was given once, under the bindings of luna-api. */
export { CacheTagIndex, CircuitBreaker, Telemetry } from "../../workers/api/index.ts";

const stored = { body: "", headers: {} as Record<string, string> };

export default {
  async fetch(request) {
    if (request.method === "PUT") {
      stored.body = await request.text();
      stored.headers = JSON.parse(request.headers.get("X-Headers") ?? "{}") as Record<string, string>;
      return new Response(null, { status: 204 });
    }
    return new Response(stored.body, { headers: stored.headers });
  },
} satisfies ExportedHandler;
