import type { Clock } from "../lib/base/clock.ts";
import { fanOut } from "../lib/worker/fan-out.ts";
import { counters } from "../telemetry/counters.ts";
import { callEndpoint, type Called } from "./call-endpoint.ts";
import { unanswered } from "./rules/answer.ts";
import { DELIVERY_LEASE_MS, settleDelivery } from "./rules/delivery.ts";
import { eventBody } from "./rules/events.ts";
import {
  afterCall,
  callTimeoutMs,
  speedOf,
  type EndpointHealth,
  type QueueSpeed,
  type PauseReason,
} from "./rules/health.ts";
import { checkUrl, type UrlPolicy } from "./rules/url-policy.ts";
import { decryptSecret } from "./secrets.ts";
import type { Attempt } from "./sql/deliveries.ts";
import {
  claimDue,
  recordCalls,
  type CalledEndpoint,
  type ClaimedDelivery,
  type RecordedDelivery,
} from "./sql/work.ts";

export type WebhookDelivery = {
  db: D1Database;
  secretsKey: string;
  policy: UrlPolicy;
  fetch: typeof fetch;
  clock: Pick<Clock, "now">;
  random: () => number;
};

/** Rounds of calls before the endpoint goes to the end of its queue. */
const rounds: Record<QueueSpeed, number> = { fast: 3, slow: 1 };
const MAX_LOG = 10;

/** `next`: when to look at the endpoint again, and on which queue. */
export type Delivered = { next: { at: number; speed: QueueSpeed } | null };

/**
 * Delivers what is due of one endpoint. An endpoint that belongs to the other queue is passed on
 * and not called.
 */
export async function deliverDue(
  ports: WebhookDelivery,
  endpointId: string,
  speed: QueueSpeed,
): Promise<Delivered> {
  for (let round = 1; ; round += 1) {
    const { db, clock } = ports;
    const now = clock.now();
    const token = crypto.randomUUID();
    const leaseExpiresAt = now + DELIVERY_LEASE_MS;
    const found = await claimDue(db, { endpointId, speed, token, leaseExpiresAt }, now);
    if (found === null) return { next: null };
    const { endpoint, claimed } = found;
    const before = speedOf(endpoint);
    if (before !== speed) return { next: { at: now, speed: before } };
    // Another consumer has what is due, and goes on with it.
    if (claimed.length === 0) return { next: null };
    const { nextAt, health } = await callAndRecord(ports, endpoint, claimed, token);
    if (nextAt === null) return { next: null };
    const next = { at: nextAt, speed: speedOf(health) };
    if (round >= rounds[speed] || next.speed !== speed || nextAt > clock.now()) return { next };
  }
}

async function callAndRecord(
  ports: WebhookDelivery,
  endpoint: CalledEndpoint,
  claimed: readonly ClaimedDelivery[],
  token: string,
): Promise<{ nextAt: number | null; health: EndpointHealth }> {
  const { db, clock, random } = ports;
  const secrets = await secretsOf(ports, endpoint);
  const calls = await fanOut(claimed, (delivery) => call(ports, endpoint, delivery, secrets));
  const now = clock.now();
  let health: EndpointHealth = healthOf(endpoint);
  let pause: PauseReason | null = null;
  const recorded = claimed.map((delivery, n): RecordedDelivery => {
    const called = calls[n] ?? { outcome: unanswered("connection"), tookMs: 0, answer: "" };
    counters.count("luna_webhook_calls_total", { outcome: called.outcome.kind });
    const after = afterCall(health, called, { now, random: random() });
    health = after.health;
    pause ??= after.pause;
    return {
      id: delivery.id,
      token,
      settled: settleDelivery(delivery, called.outcome, { now, random: random() }),
      log: [...delivery.log, attemptOf(called, now)].slice(-MAX_LOG),
    };
  });
  const isChanged = JSON.stringify(health) !== JSON.stringify(healthOf(endpoint));
  const recording = { endpointId: endpoint.id, recorded, pause, health: isChanged ? health : null };
  return { nextAt: await recordCalls(db, recording, now), health };
}

const healthOf = ({ failures, failingSince, notBefore, slow }: EndpointHealth): EndpointHealth => ({
  failures,
  failingSince,
  notBefore,
  slow,
});

/** The secret before signs too while it is rotated. */
async function secretsOf(
  { secretsKey, clock }: WebhookDelivery,
  { id, secret, previousSecret, previousUntil }: CalledEndpoint,
): Promise<string[]> {
  const isRotating = previousSecret !== null && (previousUntil ?? 0) > clock.now();
  const encrypted = isRotating ? [secret, previousSecret] : [secret];
  const decrypted: string[] = [];
  for (const one of encrypted) decrypted.push(await decryptSecret(secretsKey, id, one));
  return decrypted;
}

async function call(
  { policy, fetch, clock }: WebhookDelivery,
  endpoint: CalledEndpoint,
  { eventId, type, at, tenant, data }: ClaimedDelivery,
  secrets: string[],
): Promise<Called> {
  // What was allowed when the endpoint was created may not be any more.
  const url = checkUrl(endpoint.url, policy);
  if (!url.ok) return { outcome: unanswered("refused-url"), tookMs: 0, answer: url.error };
  const timeoutMs = callTimeoutMs(speedOf(endpoint));
  const body = eventBody({ type, at, tenant, data });
  return await callEndpoint(
    { url: url.value, secrets, id: eventId, body, timeoutMs },
    { fetch, clock },
  );
}

export function attemptOf({ outcome, tookMs, answer }: Called, now: number): Attempt {
  return {
    at: now - tookMs,
    tookMs,
    outcome: outcome.kind === "failed" ? outcome.why : outcome.kind,
    ...(outcome.status !== null && { status: outcome.status }),
    ...(answer !== "" && { answer }),
  };
}
