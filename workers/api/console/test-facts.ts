import type { AnswerBody, Health } from "./api.ts";
import type { AnnouncedItem, BreakerItem } from "./breaker-state.ts";

/** What the API answers while everything works, for tests. */

export const NOW = Date.parse("2026-11-25T12:00:00.000Z");
/** A time so many seconds before now. */
export const ago = (seconds: number): string => new Date(NOW - seconds * 1_000).toISOString();

type Up = Extract<Health, { status: "ok" | "degraded" }>;

export const well: Up = {
  status: "ok",
  version: "1",
  checks: {
    database: { status: "ok", sizeBytes: 1e9, limitBytes: 10e9 },
    breakers: { status: "ok", states: { cache: "CLOSED", database: "CLOSED" }, unreachable: [] },
    cache: { status: "ok", owedPurges: 0, oldestOwedSeconds: 0 },
    settings: { status: "ok", invalid: [] },
    tasks: { status: "ok", overdue: [] },
    email: {
      status: "ok",
      oldestDueSeconds: 0,
      scheduled: 0,
      queued: 0,
      pinned: 0,
      due: 0,
      inFlight: 0,
      unknown: 0,
      dead: 0,
    },
  },
};

export const down: Health = {
  status: "down",
  version: "1",
  checks: {
    database: { status: "down" },
    breakers: well.checks.breakers,
    settings: well.checks.settings,
    tasks: well.checks.tasks,
  },
};

export const withEmail = (email: Partial<Up["checks"]["email"]>): Up => ({
  ...well,
  checks: { ...well.checks, email: { ...well.checks.email, ...email } },
});

export const noAlerts: AnswerBody<"listAlerts"> = { firing: [], notices: [], channels: ["email"] };

type OwnBreaker = Extract<BreakerItem, { calls: number }>;

export const listOf = (items: BreakerItem[]): AnswerBody<"listCircuitBreakers"> => ({
  items,
  registry: { names: 0, limit: 200, refused: { full: 0, name: 0 } },
});

export const breaker = (name: string, changes: Partial<OwnBreaker> = {}): OwnBreaker => ({
  name,
  state: "CLOSED",
  override: "none",
  epoch: 1,
  failures: 0,
  calls: 0,
  retryAfterMs: 0,
  windowSeconds: 60,
  used: true,
  ...changes,
});

/** A breaker that opened so many seconds ago. */
export const open = (
  name: string,
  seconds: number,
  changes: Partial<OwnBreaker> = {},
): OwnBreaker =>
  breaker(name, {
    state: "OPEN",
    retryAfterMs: 19_000,
    outage: {
      since: ago(seconds),
      reason: "5 of 5 calls failed: connect ECONNREFUSED 127.0.0.1:9",
    },
    ...changes,
  });

/** The breaker of another Worker. */
export const announced = (name: string, changes: Partial<AnnouncedItem> = {}): AnnouncedItem => ({
  name,
  state: "CLOSED",
  override: "none",
  epoch: 1,
  used: true,
  reportedAt: ago(3_600),
  ...changes,
});
