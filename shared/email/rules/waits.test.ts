import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settle, type Settlement } from "./lifecycle.ts";
import type { AttemptDetail, Outcome } from "./outcome.ts";
import type { WaitClock, WaitLimits, Waited } from "./waits.ts";

/** Each class of answers, from the first hand-over to the end. */

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const policy = { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 };
const byDefault: WaitLimits = { retryWindowMs: 24 * HOUR_MS, maxWaitMs: 120 * HOUR_MS };
const start = 1_700_000_000_000;
const detail: AttemptDetail = { transport: "smtp", phase: "RCPT TO", text: "later" };
const waiting = ["needs_time", "rate_limited", "server_failed"] as const;
type Answer = Exclude<Outcome, { kind: "accepted" | "unknown" | "deferred" }>;

type Life = { settlement: Settlement; waitsMs: number[]; handOvers: number; endedAfterMs: number };

/** An email that is handed over as soon as it is due, and answered the same each time. */
function live(
  answerOf: (handOver: number) => Answer,
  limits: WaitLimits,
  random: () => number = () => 0.5,
): Life {
  const waitsMs: number[] = [];
  let now = start;
  let attempts = 0;
  let last: Waited | null = null;
  for (let handOvers = 1; ; handOvers += 1) {
    const clock: WaitClock = { limits, since: start, last };
    const settlement = settle(
      {
        attempts: attempts + 1,
        onUnknown: "hold",
        transport: "smtp",
        handOverAt: now,
        pinnedUntil: null,
        refusals: null,
        hasAlternative: false,
        hasUntried: false,
      },
      answerOf(handOvers),
      { policy, now, random: random(), clock },
    );
    if (settlement.status !== "queued") {
      if (settlement.status === "sending") throw new Error("there is no other transport");
      return { settlement, waitsMs, handOvers, endedAfterMs: now - start };
    }
    waitsMs.push(settlement.dueAt - now);
    now = settlement.dueAt;
    ({ attempts } = settlement);
    last = settlement.waited ?? null;
  }
}

describe("with both limits at 0 every class follows the mission", () => {
  const none = { retryWindowMs: 0, maxWaitMs: 0 };

  it.each<[string, Answer]>([
    ["refused for now", { kind: "refused_transient", detail }],
    ...waiting.map((kind): [string, Answer] => [kind, { kind, detail }]),
    ...waiting.map((kind): [string, Answer] => [
      `${kind} with a wish`,
      { kind, detail, retryAfterMs: 300_000 },
    ]),
  ])("%s: three retries after 1, 2 and 4 s, then a dead letter", (_, answer) => {
    expect(live(() => answer, none)).toEqual({
      settlement: { status: "dead", attempts: 4, reason: "exhausted" },
      waitsMs: [1_000, 2_000, 4_000],
      handOvers: 4,
      endedAfterMs: 7_000,
    });
  });

  it("and each limit alone ends its own classes", () => {
    const greylisted: Answer = { kind: "needs_time", detail };
    const down: Answer = { kind: "server_failed", detail };
    expect(live(() => greylisted, { ...byDefault, retryWindowMs: 0 }).handOvers).toBe(4);
    expect(live(() => down, { ...byDefault, retryWindowMs: 0 }).handOvers).toBeGreaterThan(100);
    expect(live(() => down, { ...byDefault, maxWaitMs: 0 }).handOvers).toBe(4);
  });
});

describe("by default", () => {
  it.each<[Answer["kind"], string, number]>([
    ["needs_time", "retry-window", 24 * HOUR_MS],
    ["rate_limited", "server", 120 * HOUR_MS],
    ["server_failed", "server", 120 * HOUR_MS],
    ["refused_transient", "exhausted", 7_000],
    ["refused_permanent", "permanent", 0],
  ])("%s ends as %s, after %s ms", (kind, reason, endedAfterMs) => {
    const life = live(() => ({ kind, detail }), byDefault);
    expect(life.settlement).toMatchObject({ status: "dead", reason });
    expect(life.endedAfterMs).toBe(endedAfterMs);
  });

  it("greylisting is tried again after minutes, then hours", () => {
    const { waitsMs, handOvers } = live(() => ({ kind: "needs_time", detail }), byDefault);
    expect(waitsMs.slice(0, 8)).toEqual(
      [1, 2, 4, 8, 16, 32, 64, 128].map((minutes) => minutes * MINUTE_MS),
    );
    expect(Math.max(...waitsMs)).toBe(4 * HOUR_MS);
    expect(handOvers).toBeLessThan(20);
  });

  it("a server that is down is tried again after seconds, then each quarter of an hour", () => {
    const { waitsMs, handOvers } = live(() => ({ kind: "server_failed", detail }), byDefault);
    expect(waitsMs.slice(0, 5)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
    expect(Math.max(...waitsMs)).toBe(15 * MINUTE_MS);
    expect(handOvers).toBeLessThan(500);
  });

  it("what the server asks for is the floor, capped by what is left", () => {
    const asks = (retryAfterMs: number): number[] =>
      live(() => ({ kind: "needs_time", detail, retryAfterMs }), byDefault).waitsMs;
    expect(asks(300_000).slice(0, 4)).toEqual([5, 5, 5, 8].map((minutes) => minutes * MINUTE_MS));
    expect(asks(999_999_999_000)).toEqual([24 * HOUR_MS]);
  });

  it("an answer of another class begins its pauses again, and none uses up an attempt", () => {
    const kinds = ["server_failed", "server_failed", "server_failed", "needs_time", "rate_limited"];
    const { waitsMs, settlement } = live(
      (handOver) => ({
        kind: (kinds[handOver - 1] ?? "refused_transient") as "needs_time",
        detail,
      }),
      byDefault,
    );
    expect(waitsMs).toEqual([1_000, 2_000, 4_000, 60_000, 1_000, 1_000, 2_000, 4_000]);
    expect(settlement).toEqual({ status: "dead", attempts: 4, reason: "exhausted" });
  });
});

it("any mixture of answers ends, within the longest wait and the retries, and never early", () => {
  const anyAnswer = fc.record({
    kind: fc.constantFrom<Answer["kind"]>("refused_transient", ...waiting),
    retryAfterMs: fc.integer({ min: 0, max: 2 * HOUR_MS }),
  });
  fc.assert(
    fc.property(
      fc.array(anyAnswer, { minLength: 1, maxLength: 20 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (answers, random) => {
        const given: Answer["kind"][] = [];
        const life = live(
          (handOver) => {
            const { kind, retryAfterMs } = answers[handOver % answers.length] ?? {
              kind: "needs_time" as const,
              retryAfterMs: 0,
            };
            given.push(kind);
            return { kind, detail, retryAfterMs };
          },
          byDefault,
          () => random,
        );
        const ownRefusals = given.filter((kind) => kind === "refused_transient").length;
        expect(ownRefusals).toBeLessThanOrEqual(1 + policy.maxRetries);
        expect(life.endedAfterMs).toBeLessThanOrEqual(byDefault.maxWaitMs + 10_000);
        const { settlement } = life;
        const reason = settlement.status === "dead" ? settlement.reason : null;
        expect(isInTime(reason, { ...life, ownRefusals }), `${reason}`).toBe(true);
      },
    ),
  );
});

/** Whether an email that only waited and was refused for now has ended for that reason in time. */
function isInTime(
  reason: string | null,
  { ownRefusals, endedAfterMs }: { ownRefusals: number; endedAfterMs: number },
): boolean {
  switch (reason) {
    case "exhausted":
      return ownRefusals === 1 + policy.maxRetries;
    case "retry-window":
      return endedAfterMs >= byDefault.retryWindowMs;
    case "server":
      return endedAfterMs >= byDefault.maxWaitMs;
    case null:
    default:
      return false;
  }
}
