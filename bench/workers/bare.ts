/**
 * What a Worker costs that does nothing, under the bindings of luna-api: it answers what it was
 * given once, or a row of D1.
 */
export {
  CacheTagIndex,
  CircuitBreaker,
  Heartbeat,
  TaskWatchdog,
  Telemetry,
} from "../../workers/api/index.ts";

const stored = { body: "", headers: {} as Record<string, string> };
const GIVEN = "/api/users/ada";

export default {
  async fetch(request, { DB }) {
    if (request.method === "PUT") {
      stored.body = await request.text();
      stored.headers = JSON.parse(request.headers.get("X-Headers") ?? "{}") as Record<
        string,
        string
      >;
      return new Response(null, { status: 204 });
    }
    const { pathname } = new URL(request.url);
    if (pathname === GIVEN) return new Response(stored.body, { headers: stored.headers });
    const row = await DB.prepare("SELECT * FROM users WHERE user_id = ?")
      .bind(pathname.slice("/api/users/".length))
      .first();
    return Response.json(row, { headers: stored.headers });
  },
} satisfies ExportedHandler<{ DB: D1Database }>;
