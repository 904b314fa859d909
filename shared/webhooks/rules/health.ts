import { jittered } from "../../lib/base/backoff.ts";
import { DAY_MS } from "../../lib/base/clock.ts";
import type { WebhookOutcome } from "./answer.ts";
import { leaveAloneMs } from "./retry-schedule.ts";

/**
 * The health of an endpoint, from the outcomes of its calls. It keeps a dead or slow endpoint from
 * taking the place of others: an endpoint that fails gets one call at a time, after a wait, and
 * its deliveries wait without using up attempts. Pure.
 */
export type EndpointHealth = {
  /** Calls that failed in a row. */
  failures: number;
  failingSince: number | null;
  /** No call begins before this. */
  notBefore: number | null;
  /** The last answer took long. */
  slow: boolean;
};

export const healthy: EndpointHealth = {
  failures: 0,
  failingSince: null,
  notBefore: null,
  slow: false,
};

/** Why no delivery to an endpoint begins: its owner wants it, or Luna has stopped. */
export const pauseReasons = ["requested", "failing", "gone"] as const;
export type PauseReason = (typeof pauseReasons)[number];

/** An endpoint that fails for this long is paused. */
export const MAX_FAILING_MS = 5 * DAY_MS;

/** From so many failures in a row on, the endpoint as a whole waits. */
const BACKS_OFF_FROM = 3;
const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 5 * 60_000;
/** An answer that takes longer than this is slow. */
const SLOW_MS = 2_000;

/** How many calls of one endpoint run at a time, in the whole fleet; on the slow queue one. */
export const CALLS_AT_ONCE = 3;

/**
 * Which queue brings an endpoint's deliveries. The slow one has the endpoints that fail or are
 * slow, so that the others never wait behind them.
 */
export type QueueSpeed = "fast" | "slow";

export const speedOf = ({
  failures,
  slow,
}: Pick<EndpointHealth, "failures" | "slow">): QueueSpeed =>
  failures > 0 || slow ? "slow" : "fast";

/** How long a call may take. An endpoint that needs longer gets it on the slow queue. */
export const callTimeoutMs = (speed: QueueSpeed): number => (speed === "fast" ? 5_000 : 15_000);

type Observed = { outcome: WebhookOutcome; tookMs: number };

/** @returns the health after a call, and why the endpoint is to be paused, if it is */
export function afterCall(
  health: EndpointHealth,
  { outcome, tookMs }: Observed,
  { now, random }: { now: number; random: number },
): { health: EndpointHealth; pause: PauseReason | null } {
  switch (outcome.kind) {
    case "delivered":
      return { health: { ...healthy, slow: tookMs > SLOW_MS }, pause: null };
    case "busy": {
      const notBefore = now + leaveAloneMs(outcome.retryAfterMs, random);
      return { health: { ...health, notBefore }, pause: null };
    }
    case "gone":
    case "failed": {
      const failures = health.failures + 1;
      const failingSince = health.failingSince ?? now;
      const waitMs = waitAfter(failures, random);
      const notBefore = waitMs === null ? null : now + waitMs;
      const failed = { failures, failingSince, notBefore, slow: health.slow };
      return { health: failed, pause: pauseFor(outcome, now - failingSince) };
    }
  }
}

function pauseFor(outcome: WebhookOutcome, failingMs: number): PauseReason | null {
  if (outcome.kind === "gone") return "gone";
  return failingMs >= MAX_FAILING_MS ? "failing" : null;
}

function waitAfter(failures: number, random: number): number | null {
  if (failures < BACKS_OFF_FROM) return null;
  const doublings = Math.min(failures - BACKS_OFF_FROM, 10);
  return jittered(Math.min(FIRST_WAIT_MS * 2 ** doublings, LONGEST_WAIT_MS), random);
}
