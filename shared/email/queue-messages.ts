import * as v from "valibot";
import { cut } from "../lib/base/cut.ts";
import { idempotencyKey, traceparent } from "./schemas.ts";

/**
 * Cloudflare Queues: 128 KB a message. The raw body of a poison message is cut to leave room for
 * the rest.
 */
const MAX_RAW_CHARACTERS = 30_000;

const emailId = v.pipe(v.string(), v.maxLength(64));
const generation = v.pipe(v.number(), v.integer(), v.minValue(1));

/** "Look at this row": carries no email, so losing it loses none. */
const notification = v.strictObject({ v: v.literal(1), emailId, generation });

/** "This row is dead, record it": sent to the dead-letter queue after D1 has it as `dead`. */
const deadEmail = v.strictObject({ v: v.literal(1), type: v.literal("bury"), emailId, generation });

/**
 * "Send this": what another Worker puts on the queue. `message` is what `POST /api/emails` takes.
 * The key makes it safe that queues deliver more than once, and that a producer does not know
 * whether it did. `traceparent`: of W3C Trace Context, if the producer traces.
 */
const emailSend = v.strictObject({
  v: v.literal(1),
  type: v.literal("email.send"),
  idempotencyKey,
  message: v.unknown(),
  traceparent: v.optional(traceparent),
});

/** A message that no schema accepts, on its way to the dead letters. */
const poison = v.strictObject({
  v: v.literal(1),
  type: v.literal("poison"),
  reason: v.string(),
  raw: v.string(),
});

export type Notification = v.InferOutput<typeof notification>;
export type DeadLetterMessage = v.InferOutput<typeof deadEmail>;
export type Poison = v.InferOutput<typeof poison>;
export type EmailSend = v.InferOutput<typeof emailSend>;
export type QueueMessage = Notification | DeadLetterMessage | Poison | EmailSend;

export const parseMessage = v.safeParser(v.union([notification, emailSend]));
export const parseDeadLetter = v.safeParser(v.union([deadEmail, poison, notification, emailSend]));

export function notificationFor(email: { id: string; generation: number }): Notification {
  return { v: 1, emailId: email.id, generation: email.generation };
}

export function deadLetterMessageFor(email: { id: string; generation: number }): DeadLetterMessage {
  return { v: 1, type: "bury", emailId: email.id, generation: email.generation };
}

/**
 * Wraps a body that failed to parse; it is kept as JSON text, cut to what a queue message holds.
 */
export function poisonFor(body: unknown, reason: string): Poison {
  return { v: 1, type: "poison", reason, raw: rawText(body) };
}

/**
 * The body of any message, as text for people. Never throws: queue bodies are structured
 * clones, not just JSON.
 */
export function rawText(body: unknown): string {
  return cut(textOf(body), MAX_RAW_CHARACTERS);
}

function textOf(body: unknown): string {
  if (body instanceof ArrayBuffer) return base64Of(new Uint8Array(body));
  if (ArrayBuffer.isView(body))
    return base64Of(new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
  try {
    return JSON.stringify(body, readable) ?? String(body);
  } catch {
    return `${Object.prototype.toString.call(body)} that is not JSON`;
  }
}

function base64Of(bytes: Uint8Array): string {
  return `base64:${bytes.subarray(0, MAX_RAW_CHARACTERS).toBase64()}`;
}

function readable(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Map || value instanceof Set) return [...value];
  return value;
}
