import {
  cacheOf,
  cacheStatusField,
  fail,
  ok,
  readCached,
  type CacheEnv,
  type Result,
} from "luna-backend/cache";
import { guard } from "luna-backend/circuit-breaker";
import type { EmailQueueMessage, EmailsRpc, LunaRpc } from "luna-backend/rpc";
import * as v from "valibot";

/**
 * A shop beside Luna: its users and emails are Luna's, its prices come from a service that fails
 * now and then.
 */

type Env = CacheEnv & {
  LUNA: Fetcher & LunaRpc;
  EMAILS: Fetcher & EmailsRpc;
  EMAIL_QUEUE: Queue<EmailQueueMessage>;
  PRICES_URL: string;
  ADMIN_TOKEN: string;
};

const price = v.strictObject({ sku: v.string(), cents: v.number() });
type Price = v.InferOutput<typeof price>;

/**
 * Asks the price service, behind a breaker that the whole fleet shares: while it is down nobody
 * waits for it.
 */
async function loadPrice(env: Env, sku: string): Promise<Result<Price | null, "prices are down">> {
  const prices = guard(env, "prices", {
    timeoutMs: 2_000,
    calleeTimesOut: false,
    countsAsFailure: () => true,
  });
  const asked = await prices(async (signal) => {
    const response = await fetch(`${env.PRICES_URL}/${encodeURIComponent(sku)}`, {
      signal: signal ?? null,
    });
    if (response.status === 404) return null;
    if (!response.ok) throw new Error(`the price service answered ${response.status}`);
    return v.parse(price, await response.json());
  });
  return asked.ok ? ok(asked.value) : fail("prices are down");
}

/** Reads through the fleet's cache: an old price if the service is down. */
async function getPrice(env: Env, sku: string): Promise<Response> {
  const read = await readCached(env, `price:${sku}`, {
    schema: price,
    tags: ["prices"],
    load: () => loadPrice(env, sku),
  });
  const headers = { "Cache-Status": cacheStatusField(read.status, "storefront") };
  if (!read.ok) return Response.json({ error: "prices are down" }, { status: 503, headers });
  return read.value === null
    ? new Response(null, { status: 404, headers })
    : Response.json(read.value, { headers });
}

/**
 * Signs a customer up by RPC, and sends a receipt by queue: one receipt, also if the order is
 * repeated.
 */
async function order(
  env: Env,
  customer: string,
  email: string,
  orderId: string,
): Promise<Response> {
  const signedUp = await env.LUNA.createUser({
    token: env.ADMIN_TOKEN,
    body: { userId: customer, email },
  });
  const isKnown = !signedUp.ok && signedUp.problem.status === 409;
  if (!signedUp.ok && !isKnown) return Response.json(signedUp.problem, { status: signedUp.status });
  const message = { to: email, subject: `Your order ${orderId}`, text: `Thank you, ${customer}.` };
  await env.EMAIL_QUEUE.send({
    v: 1,
    type: "email.send",
    idempotencyKey: `order:${orderId}`,
    message,
  });
  return Response.json({ orderId, isNew: !isKnown }, { status: 202 });
}

/** Sends by RPC, where the answer reports whether Luna has accepted the email. */
async function ship(env: Env, email: string, orderId: string): Promise<Response> {
  const sent = await env.EMAILS.send(
    { to: email, subject: `Order ${orderId} is on its way`, text: "It arrives tomorrow." },
    { idempotencyKey: `shipped:${orderId}` },
  );
  return sent.ok
    ? Response.json({ id: sent.value.id }, { status: 202 })
    : Response.json({ error: sent.error.tag }, { status: 422 });
}

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const param = (name: string): string => searchParams.get(name) ?? "";
    switch (`${request.method} ${pathname}`) {
      case "GET /price":
        return await getPrice(env, param("sku"));
      case "POST /prices-changed":
        return Response.json(await cacheOf(env).purge(["prices"]));
      case "POST /order":
        return await order(env, param("customer"), param("email"), param("id"));
      case "POST /shipped":
        return await ship(env, param("email"), param("id"));
      case "GET /prices-health":
        // The methods of the object are the interface CircuitBreakerRpc.
        return Response.json(await env.CIRCUIT_BREAKER.getByName("prices").inspect());
      default:
        return new Response(null, { status: 404 });
    }
  },
} satisfies ExportedHandler<Env>;
