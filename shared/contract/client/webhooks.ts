import { readEvent, type LunaEvent } from "../../webhooks/rules/events.ts";

export type { EventType, LunaEvent } from "../../webhooks/rules/events.ts";

/**
 * A call of an endpoint. `headers`: of the request. `body`: its text, as it came. `secret`: of the
 * endpoint, or several of them.
 */
export type WebhookCall = { headers: Headers; body: string; secret: string | readonly string[] };

/**
 * `id`: the same for each repeat of an event, so that a receiver can skip those. `event`: null if
 * this version of the package does not have its type.
 */
export type VerifiedWebhook =
  | { ok: true; id: string; event: LunaEvent | null }
  | { ok: false; error: "signature" | "timestamp" };

/** How far the clocks of the sender and the receiver may differ. */
const TOLERANCE_MS = 5 * 60_000;

/**
 * Verifies the signature of a call (https://www.standardwebhooks.com), in constant time, and reads
 * its event:
 *
 *     import { verifyWebhook } from "luna-backend/client";
 *
 *     export async function receive(request: Request, secret: string): Promise<Response> {
 *       const { headers } = request;
 *       const call = await verifyWebhook({ headers, body: await request.text(), secret });
 *       if (!call.ok) return new Response(call.error, { status: 400 });
 *       if (call.event?.type === "email.bounced") console.log(call.event.data.to);
 *       return new Response(null, { status: 204 });
 *     }
 *
 * An event is delivered at least once, in any order: skip an `id` that was handled.
 *
 * @param now milliseconds since the epoch
 */
export async function verifyWebhook(
  { headers, body, secret }: WebhookCall,
  now: number = Date.now(),
): Promise<VerifiedWebhook> {
  const id = headers.get("webhook-id") ?? "";
  const timestamp = headers.get("webhook-timestamp") ?? "";
  const signatures = (headers.get("webhook-signature") ?? "")
    .split(" ")
    .flatMap((one) => (one.startsWith("v1,") ? [one.slice(3)] : []));
  const signed = new Uint8Array(new TextEncoder().encode(`${id}.${timestamp}.${body}`));
  let isSigned = false;
  for (const one of [secret].flat())
    for (const signature of signatures)
      isSigned = (await isSignatureOf(one, signed, signature)) || isSigned;
  if (!isSigned || id === "") return { ok: false, error: "signature" };
  const isNear = Math.abs(Number(timestamp) * 1_000 - now) <= TOLERANCE_MS;
  return isNear ? { ok: true, id, event: eventIn(body) } : { ok: false, error: "timestamp" };
}

function eventIn(body: string): LunaEvent | null {
  try {
    return readEvent(JSON.parse(body));
  } catch {
    return null;
  }
}

async function isSignatureOf(
  secret: string,
  signed: Uint8Array<ArrayBuffer>,
  signature: string,
): Promise<boolean> {
  const [keyBytes, bytes] = [bytesOf(secret.replace(/^whsec_/, "")), bytesOf(signature)];
  if (keyBytes === null || bytes === null || keyBytes.length === 0) return false;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", keyBytes, algorithm, false, ["verify"]);
  return await crypto.subtle.verify("HMAC", key, bytes, signed);
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
