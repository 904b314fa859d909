import { waitUntil } from "cloudflare:workers";
import { notificationFor, type QueueMessage } from "../../shared/email/queue-messages.ts";
import { insertPlainly, type PlainEmail } from "../straightforward-mailer.ts";

/**
 * What a Worker costs that does nothing, under the bindings of luna-api: it answers what it was
 * given once, or a row of D1, or inserts one. `X-Served`: it also asks the rate limit and notifies
 * the consumer.
 */
export {
  CacheTagIndex,
  CircuitBreaker,
  Heartbeat,
  TaskWatchdog,
  Telemetry,
} from "../../workers/api/index.ts";

type Bindings = { DB: D1Database; RATE_LIMIT_KEY: RateLimit; EMAIL_QUEUE: Queue<QueueMessage> };

const stored = { body: "", headers: {} as Record<string, string> };
const GIVEN = "/api/users/ada";

export default {
  async fetch(request, { DB, RATE_LIMIT_KEY, EMAIL_QUEUE }) {
    if (request.method === "PUT") {
      stored.body = await request.text();
      stored.headers = JSON.parse(request.headers.get("X-Headers") ?? "{}") as Record<
        string,
        string
      >;
      return new Response(null, { status: 204 });
    }
    if (request.method === "POST") {
      const isServed = request.headers.has("X-Served");
      if (isServed) await RATE_LIMIT_KEY.limit({ key: "ada" });
      const id = await insertPlainly(DB, await request.json<PlainEmail>());
      if (isServed) waitUntil(EMAIL_QUEUE.send(notificationFor({ id, generation: 1 })));
      return Response.json({ id }, { status: 202 });
    }
    const { pathname } = new URL(request.url);
    if (pathname === GIVEN) return new Response(stored.body, { headers: stored.headers });
    const row = await DB.prepare("SELECT * FROM users WHERE user_id = ?")
      .bind(pathname.slice("/api/users/".length))
      .first();
    return Response.json(row, { headers: stored.headers });
  },
} satisfies ExportedHandler<Bindings>;
