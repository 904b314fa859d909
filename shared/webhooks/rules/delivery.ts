import type { WebhookOutcome } from "./answer.ts";
import { webhookRetries, type RetryRules } from "./retry-schedule.ts";

/**
 * The life of a delivery: one event (or job) to one receiver, at least once. Pure decisions; the
 * stores apply them, each guarded by the status and the lease that it starts from.
 *
 *     pending -> delivering -> delivered
 *        ^           |  '----> dead -> pending   replay, as the next generation
 *        '-----------'   failed, busy, or the lease expired
 */
export const deliveryStatuses = ["pending", "delivering", "delivered", "dead"] as const;
export type DeliveryStatus = (typeof deliveryStatuses)[number];

/** `firstAt`: when the first attempt of this generation began; null before it. */
type Life = { generation: number; attempts: number; firstAt: number | null };

export type DeliveryState =
  | (Life & { status: "pending"; dueAt: number })
  | (Life & { status: "delivering"; token: string; leaseExpiresAt: number })
  | (Life & { status: "delivered"; endedAt: number })
  | (Life & { status: "dead"; endedAt: number; reason: DeliveryDeadReason });

/**
 * `exhausted`: no attempt is left. `gone`: the receiver wants no more. `deleted`: there is no
 * endpoint any more. `cancelled`: there is no job any more.
 */
export type DeliveryDeadReason = "exhausted" | "gone" | "deleted" | "cancelled";

/** How long a consumer owns a delivery that it claimed. Longer than a call may take. */
export const DELIVERY_LEASE_MS = 60_000;

export function claimDelivery(
  delivery: DeliveryState,
  { token, now }: { token: string; now: number },
): DeliveryState | null {
  if (delivery.status !== "pending" || delivery.dueAt > now) return null;
  const { generation, attempts, firstAt } = delivery;
  return {
    status: "delivering",
    generation,
    attempts: attempts + 1,
    firstAt: firstAt ?? now,
    token,
    leaseExpiresAt: now + DELIVERY_LEASE_MS,
  };
}

/** What a claimed delivery becomes. */
export type SettledDelivery = Exclude<DeliveryState, { status: "delivering" }>;

type Claimed = Pick<Life, "generation" | "attempts"> & { firstAt: number };

/** @param random in [0, 1) */
export function settleDelivery(
  { generation, attempts, firstAt }: Claimed,
  outcome: WebhookOutcome,
  { now, random, retries = webhookRetries }: { now: number; random: number; retries?: RetryRules },
): SettledDelivery {
  const life = { generation, attempts, firstAt };
  const again = (waitMs: number): SettledDelivery => ({
    ...life,
    status: "pending",
    attempts: attempts - 1,
    dueAt: now + waitMs,
  });
  const isPatient = now - firstAt < retries.patienceMs;
  switch (outcome.kind) {
    case "delivered":
      return { ...life, status: "delivered", endedAt: now };
    case "gone":
      return { ...life, status: "dead", endedAt: now, reason: "gone" };
    case "busy":
      if (isPatient) return again(retries.leaveAloneMs(outcome.retryAfterMs, random));
      break;
    case "failed":
      if (outcome.why === "lease-expired" && retries.repeatsLost && isPatient) return again(0);
      break;
  }
  return afterFailure(life, now, retries.waitMs(attempts, random, outcome.retryAfterMs));
}

function afterFailure(life: Claimed, now: number, waitMs: number | null): SettledDelivery {
  return waitMs === null
    ? { ...life, status: "dead", endedAt: now, reason: "exhausted" }
    : { ...life, status: "pending", dueAt: now + waitMs };
}

/** Only what has ended is replayed: what waits is delivered without that. */
export function replayDelivery(delivery: DeliveryState, now: number): DeliveryState | null {
  if (delivery.status !== "dead" && delivery.status !== "delivered") return null;
  const generation = delivery.generation + 1;
  return { status: "pending", generation, attempts: 0, firstAt: null, dueAt: now };
}
