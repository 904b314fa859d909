import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Outcome } from "./outcome.ts";
import {
  closesForMs,
  everyMsAt,
  GROUP_SPAN_MS,
  mostAtOnce,
  pacing,
  rateAnswersOf,
  slowedBy,
  type Slowed,
} from "./pace.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const GROUP = 5;
/** A group reserves no further ahead. */
const AHEAD_MS = 1_500;

type Email = { at: number; taken: boolean };
type Group = { emails: Email[]; endsAt: number };
type Shape = {
  takes: number;
  withinMs?: number;
  consumers: number;
  latencyMs: number;
  configured: number | null;
};

/**
 * A fleet that always has emails to hand over, and a server that takes so many within a time. The
 * consumers reserve the rate group by group, and record the answers of a group together, as they do
 * in D1.
 */
class Fleet {
  slowed: Slowed | null = null;
  now = 0;
  taken = 0;
  refused = 0;
  /** Null: as many as come. */
  takes: number | null;
  readonly #withinMs: number;
  readonly #latencyMs: number;
  readonly #configuredMs: number | null;
  readonly #groups: (Group | null)[];
  #coming: Email[] = [];
  #takenAt: number[] = [];
  #freeAt = 0;
  /** When emails were recorded as sent. */
  #sentAt: number[] = [];

  constructor({ takes, withinMs = 1_000, consumers, latencyMs, configured }: Shape) {
    this.takes = takes;
    this.#withinMs = withinMs;
    this.#latencyMs = latencyMs;
    this.#configuredMs = configured === null ? null : 1_000 / configured;
    this.#groups = Array.from({ length: consumers }, () => null);
  }

  get everyMs(): number | null {
    return everyMsAt(this.#configuredMs, this.slowed, this.now);
  }

  runUntil(end: number, each: () => void = () => undefined): void {
    for (; this.now < end; this.now += this.#latencyMs) {
      this.#arrive();
      for (const [n, group] of this.#groups.entries()) {
        if (group !== null && group.endsAt > this.now) continue;
        if (group !== null) this.#record(group);
        this.#groups[n] = this.#begin();
      }
      each();
    }
  }

  #begin(): Group | null {
    const { everyMs, now } = this;
    const from = everyMs === null ? now : Math.max(this.#freeAt, now);
    if (from > now + AHEAD_MS) return null;
    const emails = Array.from({ length: Math.min(GROUP, mostAtOnce(everyMs)) }, (_, n) => ({
      at: from + n * (everyMs ?? 0),
      taken: false,
    }));
    if (everyMs !== null) this.#freeAt = from + emails.length * everyMs;
    this.#coming = [...this.#coming, ...emails].toSorted((a, b) => a.at - b.at);
    return { emails, endsAt: (emails.at(-1)?.at ?? now) + this.#latencyMs };
  }

  #arrive(): void {
    for (const email of this.#coming.filter(({ at }) => at <= this.now)) {
      const counted = this.#takenAt.filter((at) => at > email.at - this.#withinMs);
      email.taken = this.takes === null || counted.length < this.takes;
      this.#takenAt = email.taken ? [...counted, email.at] : counted;
      if (email.taken) this.taken += 1;
    }
    this.#coming = this.#coming.filter(({ at }) => at > this.now);
  }

  #record({ emails }: Group): void {
    const refused = emails.findLast(({ taken }) => !taken);
    this.#sentAt = this.#sentAt.filter((at) => at > this.now - MINUTE_MS);
    const sent = emails.filter(({ taken }) => taken).map(() => this.now);
    if (refused === undefined) return void this.#sentAt.push(...sent);
    this.refused += 1;
    const inFlight = this.#groups.reduce((sum, group) => sum + (group?.emails.length ?? 0), 0);
    const configuredMs = this.#configuredMs;
    const answered = {
      configuredMs,
      beganAt: refused.at,
      freeAt: this.#freeAt,
      underWay: inFlight + this.#sentAt.filter((at) => at > this.now - 1_000).length,
      inMinute: this.#sentAt.length,
    };
    this.slowed = slowedBy(answered, this.slowed, this.now);
    this.#sentAt.push(...sent);
  }
}

describe("the rate of a fleet whose server takes N emails per second", () => {
  // It can hand over more than the server takes.
  const anyFleet = fc.record({
    takes: fc.integer({ min: 1, max: 40 }),
    consumers: fc.integer({ min: 4, max: 8 }),
    latencyMs: fc.integer({ min: 25, max: 100 }),
    configured: fc.option(fc.integer({ min: 50, max: 1_000 })),
  });

  it("comes to between N/2 and N within 3 minutes, and stays there", () => {
    fc.assert(
      fc.property(anyFleet, (shape) => {
        const fleet = new Fleet(shape);
        fleet.runUntil(3 * MINUTE_MS);
        const atFirst = fleet.taken;
        const rates: number[] = [];
        fleet.runUntil(33 * MINUTE_MS, () => rates.push(1_000 / (fleet.everyMs ?? 1)));
        // A minute of recovery may pass before the server sees one email too many.
        expect(Math.max(...rates)).toBeLessThanOrEqual(shape.takes * 1.1);
        expect(Math.min(...rates)).toBeGreaterThanOrEqual(shape.takes * 0.45);
        expect(fleet.taken - atFirst).toBeGreaterThan(30 * 60 * shape.takes * 0.45);
      }),
      { numRuns: 20 },
    );
  });

  it("is at least half of N, too, where the server counts per minute", () => {
    fc.assert(
      fc.property(anyFleet, fc.integer({ min: 30, max: 500 }), (shape, takes) => {
        const fleet = new Fleet({ ...shape, takes, withinMs: MINUTE_MS });
        fleet.runUntil(3 * MINUTE_MS);
        const atFirst = fleet.taken;
        fleet.runUntil(33 * MINUTE_MS);
        expect(fleet.taken - atFirst).toBeGreaterThan(30 * takes * 0.45);
      }),
      { numRuns: 20 },
    );
  });

  it("is as before once the limit is lifted and 5 % per minute have come back", () => {
    fc.assert(
      fc.property(anyFleet, (shape) => {
        const fleet = new Fleet(shape);
        fleet.runUntil(MINUTE_MS);
        fleet.takes = null;
        fleet.runUntil(fleet.now + MINUTE_MS);
        const { slowed, refused } = fleet;
        if (slowed === null) throw new Error("it was not slowed");
        fleet.runUntil(fleet.now + MINUTE_MS);
        expect(fleet.refused).toBe(refused);
        const before = shape.configured === null ? null : 1_000 / shape.configured;
        const endsMs = before ?? pacing.fastestEveryMs;
        const minutes = Math.log(slowed.everyMs / endsMs) / Math.log(1.05);
        expect(everyMsAt(before, slowed, slowed.at + (minutes - 1) * MINUTE_MS)).not.toBe(before);
        expect(everyMsAt(before, slowed, slowed.at + (minutes + 1) * MINUTE_MS)).toBe(before);
      }),
      { numRuns: 20 },
    );
  });
});

describe("an answer about a rate", () => {
  const answered = { configuredMs: null, beganAt: 0, freeAt: 0, underWay: 10, inMinute: 0 };

  it("halves the configured rate, of which 5 % come back in each minute without one", () => {
    const slowed = slowedBy({ ...answered, configuredMs: 100 }, null, 0);
    expect(slowed).toEqual({ everyMs: 200, at: 0 });
    expect(everyMsAt(100, slowed, MINUTE_MS)).toBeCloseTo(200 / 1.05);
    expect(everyMsAt(100, slowed, 2 * MINUTE_MS)).toBeCloseTo(200 / 1.05 ** 2);
    expect(everyMsAt(100, slowed, 15 * MINUTE_MS)).toBe(100);
  });

  it("gives a fleet without a rate half of what it handed over within the last second", () => {
    expect(slowedBy(answered, null, 0)).toEqual({ everyMs: 200, at: 0 });
    expect(slowedBy({ ...answered, underWay: 0 }, null, 0)).toEqual({ everyMs: 2_000, at: 0 });
  });

  it("counts once per second, and not for what was reserved at the rate before", () => {
    const slowed = slowedBy({ ...answered, freeAt: 3_000 }, null, 0);
    expect(slowed).toEqual({ everyMs: 200, at: 3_000 });
    expect(slowedBy({ ...answered, beganAt: 3_999 }, slowed, 4_100)).toBe(slowed);
    expect(slowedBy({ ...answered, beganAt: 4_000 }, slowed, 4_100).everyMs).toBeCloseTo(400, 0);
  });

  it("leaves at least half of what the server took within a minute", () => {
    const slowed = { everyMs: 900, at: 0 };
    const minute = { ...answered, beganAt: 1_000, inMinute: 100 };
    expect(slowedBy(minute, slowed, 1_000).everyMs).toBe(1_200);
    expect(slowedBy({ ...minute, inMinute: 200 }, slowed, 1_000).everyMs).toBeCloseTo(900, -1);
  });

  it("never stops a transport", () => {
    let slowed: Slowed | null = null;
    for (let now = 0; now < 60_000; now += 2_000)
      slowed = slowedBy({ ...answered, beganAt: now }, slowed, now);
    expect(slowed?.everyMs).toBe(10_000);
    expect(mostAtOnce(10_000)).toBe(1);
    for (const everyMs of [1, 200, 1_000, 2_500]) {
      expect(mostAtOnce(everyMs) * everyMs).toBeLessThanOrEqual(GROUP_SPAN_MS);
    }
  });
});

describe("the answers of a group", () => {
  const limits = { retryWindowMs: HOUR_MS, maxWaitMs: HOUR_MS };
  const detail = { transport: "smtp", phase: "BODY", text: "rate exceeded" };
  const limit = (retryAfterMs?: number): Outcome => ({
    kind: "rate_limited",
    detail,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
  const of = (...outcomes: Outcome[]) =>
    outcomes.map((outcome) => ({ transport: "smtp" as const, beganAt: 1, outcome }));

  it("close the transport until the last limit resets, if that takes over a minute: a day at most", () => {
    expect(closesForMs(limit())).toBeNull();
    expect(closesForMs(limit(60_000))).toBeNull();
    expect(closesForMs(limit(61_000))).toBe(61_000);
    expect(closesForMs(limit(1_000 * HOUR_MS))).toBe(24 * HOUR_MS);
    const answer = { transport: "smtp", beganAt: 1, detail };
    expect(rateAnswersOf(of(limit(), limit(300_000), limit(120_000)), limits, 7)).toEqual([
      { ...answer, closedUntil: 300_007 },
    ]);
    expect(rateAnswersOf(of(limit(60_000)), limits, 7)).toEqual([{ ...answer, closedUntil: null }]);
  });

  it("count also where they are about some recipients only", () => {
    const accepted: Outcome = { kind: "accepted", detail };
    const some: Outcome = { ...accepted, except: [{ n: 1, outcome: limit() }] };
    expect(rateAnswersOf(of(accepted, some), limits, 7)).toHaveLength(1);
    expect(rateAnswersOf(of(accepted), limits, 7)).toEqual([]);
  });

  it("slow nothing where emails do not wait for servers", () => {
    expect(rateAnswersOf(of(limit(300_000)), { ...limits, maxWaitMs: 0 }, 7)).toEqual([]);
  });
});
