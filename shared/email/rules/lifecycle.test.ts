import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expireLease, putBack, settle, withoutFailover, type OnUnknown } from "./lifecycle.ts";
import type { AttemptDetail, Outcome } from "./outcome.ts";
import type { Refusals } from "./refusals.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import type { TransportName } from "./transports.ts";

const policy: RetryPolicy = { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 };
const detail: AttemptDetail = { transport: "smtp", phase: "DATA", text: "said the server" };
const now = 1_000_000;
const timing = { policy, now, random: 0.5 };
const HOUR_MS = 3_600_000;
const limits = { retryWindowMs: 24 * HOUR_MS, maxWaitMs: 120 * HOUR_MS };
const patient = { ...timing, clock: { limits, since: now, last: null } };
const inHandOver = {
  attempts: 1,
  onUnknown: "hold" as OnUnknown,
  transport: "smtp" as TransportName,
  handOverAt: now,
  pinnedUntil: null as number | null,
  refusals: null as Refusals | null,
  hasAlternative: false,
  hasUntried: false,
};
const after = (attempts: number, outcome: Outcome, onUnknown: OnUnknown = "hold") =>
  settle({ ...inHandOver, attempts, onUnknown }, outcome, timing);

describe("an email whose hand-over ended", () => {
  it("is sent only when the transport accepted it", () => {
    expect(after(1, { kind: "accepted", detail })).toEqual({ status: "sent", attempts: 1 });
  });

  it("is queued again after a transient refusal, one backoff later", () => {
    expect(after(1, { kind: "refused_transient", detail })).toEqual({
      status: "queued",
      attempts: 1,
      dueAt: now + 1_000,
      waited: null,
    });
    expect(after(3, { kind: "refused_transient", detail })).toEqual({
      status: "queued",
      attempts: 3,
      dueAt: now + 4_000,
      waited: null,
    });
  });

  it("is dead when its attempts are exhausted: the first and three retries", () => {
    expect(after(4, { kind: "refused_transient", detail })).toEqual({
      status: "dead",
      attempts: 4,
      reason: "exhausted",
    });
  });

  it("is dead at once after a permanent refusal", () => {
    expect(after(1, { kind: "refused_permanent", detail })).toEqual({
      status: "dead",
      attempts: 1,
      reason: "permanent",
    });
  });

  it("is unknown if its outcome was not observed, and repeated only if the sender chose that", () => {
    expect(after(1, { kind: "unknown", detail })).toEqual({ status: "unknown", attempts: 1 });
    expect(after(1, { kind: "unknown", detail }, "resend")).toEqual({
      status: "queued",
      attempts: 1,
      dueAt: now + 1_000,
      waited: null,
    });
    expect(after(4, { kind: "unknown", detail }, "resend")).toMatchObject({
      status: "dead",
      reason: "exhausted",
    });
  });

  it("has burned no attempt when the hand-over never began", () => {
    expect(after(2, { kind: "deferred", detail })).toEqual({
      status: "queued",
      attempts: 1,
      dueAt: now + 1_000,
    });
    const rejected: Outcome = { kind: "deferred", detail, retryAfterMs: 30_000 };
    expect(after(2, rejected)).toEqual({ status: "queued", attempts: 1, dueAt: now + 30_000 });
  });
});

describe("an email whose lease ran out", () => {
  it("goes back to the queue at once if it had not left", () => {
    expect(
      expireLease({ ...inHandOver, status: "claimed", attempts: 2, onUnknown: "hold" }, timing),
    ).toEqual({
      status: "queued",
      attempts: 2,
      dueAt: now,
    });
  });

  it("is unknown if it was being handed over", () => {
    expect(
      expireLease({ ...inHandOver, status: "sending", attempts: 1, onUnknown: "hold" }, timing),
    ).toEqual({
      status: "unknown",
      attempts: 1,
    });
    expect(
      expireLease({ ...inHandOver, status: "sending", attempts: 1, onUnknown: "resend" }, timing)
        .status,
    ).toBe("queued");
  });
});

const openAt = { ...inHandOver, transport: "resend" as const };
const unclear: Outcome = { kind: "unknown", detail };

describe("an email whose outcome is open at a provider that recognizes repeats by their key", () => {
  it("is pinned to it until the provider forgets the key, and repeated ever more slowly", () => {
    const first = settle({ ...openAt, attempts: 1 }, unclear, timing);
    expect(first).toEqual({
      status: "pinned",
      attempts: 1,
      dueAt: now + 1_000,
      pinnedUntil: now + 23 * HOUR_MS,
    });
    const later = settle({ ...openAt, attempts: 12, pinnedUntil: now + HOUR_MS }, unclear, timing);
    expect(later).toEqual({
      status: "pinned",
      attempts: 12,
      dueAt: now + 2_048_000,
      pinnedUntil: now + HOUR_MS,
    });
    expect(settle({ ...openAt, attempts: 40 }, unclear, timing)).toMatchObject({
      dueAt: now + HOUR_MS,
    });
  });

  it("keeps its pin if a later request is refused: the one before is still open", () => {
    const pinned = { ...openAt, attempts: 2, pinnedUntil: now + HOUR_MS, hasAlternative: true };
    expect(settle(pinned, { kind: "rate_limited", detail, retryAfterMs: 90_000 }, timing)).toEqual({
      status: "pinned",
      attempts: 2,
      dueAt: now + 90_000,
      pinnedUntil: now + HOUR_MS,
    });
    expect(settle(pinned, { kind: "refused_permanent", detail }, timing)).toEqual({
      status: "unknown",
      attempts: 2,
    });
    expect(settle(pinned, { kind: "deferred", detail }, timing)).toMatchObject({
      pinnedUntil: now + HOUR_MS,
      attempts: 1,
    });
    expect(settle(pinned, { kind: "accepted", detail }, timing)).toEqual({
      status: "sent",
      attempts: 2,
    });
  });

  it("is what its sender chose once the key is forgotten: held, or given up for a replay", () => {
    const last = { ...openAt, attempts: 30, pinnedUntil: now + 1 };
    expect(settle(last, unclear, timing)).toEqual({ status: "unknown", attempts: 30 });
    expect(settle({ ...last, onUnknown: "resend" }, unclear, timing)).toMatchObject({
      status: "dead",
      reason: "exhausted",
    });
    expect(putBack({ attempts: 30, onUnknown: "hold", pinnedUntil: now }, now)).toEqual({
      status: "unknown",
      attempts: 30,
    });
    expect(putBack({ attempts: 30, onUnknown: "resend", pinnedUntil: now }, now)).toMatchObject({
      status: "dead",
    });
    expect(putBack({ attempts: 30, onUnknown: "hold", pinnedUntil: now + 1 }, now)).toMatchObject({
      status: "pinned",
      pinnedUntil: now + 1,
    });
  });

  it("is pinned when its lease runs out too, from the moment it was handed over", () => {
    const expired = { ...openAt, status: "sending" as const, handOverAt: now - 60_000 };
    expect(expireLease(expired, timing)).toMatchObject({
      status: "pinned",
      pinnedUntil: now - 60_000 + 23 * HOUR_MS,
    });
  });
});

describe("an email that another transport could take", () => {
  const withAlternative = { ...inHandOver, hasAlternative: true };

  it.each(["refused_transient", "refused_permanent"] as const)(
    "goes on to it when it was %s, in the same attempt",
    (kind) => {
      expect(settle(withAlternative, { kind, detail }, timing)).toEqual({
        status: "sending",
      });
    },
  );

  it("never does when its outcome is open", () => {
    expect(settle(withAlternative, unclear, timing)).toEqual({
      status: "unknown",
      attempts: 1,
    });
  });

  it.each(["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"])(
    "does not when the address itself was refused: %s",
    (enhancedCode) => {
      const refused: Outcome = { kind: "refused_permanent", detail: { ...detail, enhancedCode } };
      expect(settle(withAlternative, refused, timing)).toMatchObject({
        status: "dead",
        reason: "permanent",
      });
    },
  );

  it("does not when the provider has suppressed the recipient", () => {
    const refused: Outcome = {
      kind: "refused_permanent",
      detail: { ...detail, code: "E_RECIPIENT_SUPPRESSED" },
    };
    expect(settle(withAlternative, refused, timing)).toMatchObject({
      status: "dead",
      reason: "permanent",
    });
  });

  it("is dead when the last one refuses the address itself, also after another answer of another transport", () => {
    const refused: Outcome = {
      kind: "refused_permanent",
      detail: { ...detail, enhancedCode: "5.1.1" },
    };
    expect(
      settle({ ...inHandOver, refusals: { class: "transient", retryAfterMs: 0 } }, refused, timing)
        .status,
    ).toBe("dead");
  });

  it("waits for it while its breaker is open, though this one refused it for good", () => {
    const waits = { ...inHandOver, hasUntried: true };
    expect(settle(waits, { kind: "refused_permanent", detail }, timing)).toMatchObject({
      status: "queued",
      attempts: 1,
    });
    const unknownUser: Outcome = {
      kind: "refused_permanent",
      detail: { ...detail, enhancedCode: "5.1.1" },
    };
    expect(settle(waits, unknownUser, timing).status).toBe("dead");
  });

  it("is tried later if it was refused for good and the other takes none now", () => {
    expect(
      withoutFailover({ attempts: 1 }, { class: "permanent", retryAfterMs: 0 }, timing),
    ).toMatchObject({ status: "queued" });
  });

  it("waits after the last one as long as the one that asked for most", () => {
    const refusals: Refusals = { class: "needs-time", retryAfterMs: 90_000 };
    expect(
      settle(
        { ...inHandOver, refusals },
        { kind: "server_failed", detail, retryAfterMs: 5_000 },
        patient,
      ),
    ).toMatchObject({
      status: "queued",
      dueAt: now + 90_000,
    });
  });

  it("is tried again if one of them refused it for now, and dead if all did for good", () => {
    const forNow: Refusals = { class: "transient", retryAfterMs: 0 };
    expect(
      settle({ ...inHandOver, refusals: forNow }, { kind: "refused_permanent", detail }, timing)
        .status,
    ).toBe("queued");
    const forGood: Refusals = { class: "permanent", retryAfterMs: 0 };
    expect(
      settle({ ...inHandOver, refusals: forGood }, { kind: "refused_permanent", detail }, timing)
        .status,
    ).toBe("dead");
  });

  it("waits for the second one, whose breaker was open", () => {
    const refusals: Refusals = { class: "permanent", retryAfterMs: 0 };
    expect(
      settle(
        { ...inHandOver, refusals },
        { kind: "deferred", detail, retryAfterMs: 30_000 },
        patient,
      ),
    ).toMatchObject({
      status: "queued",
      attempts: 0,
      dueAt: now + 30_000,
    });
  });
});

describe("over any sequence of outcomes", () => {
  const outcome = fc.constantFrom<Outcome>(
    { kind: "accepted", detail },
    { kind: "refused_transient", detail },
    { kind: "refused_permanent", detail },
    { kind: "unknown", detail },
    { kind: "deferred", detail },
  );

  it("a held email is handed over again only after a definite refusal, 1 + maxRetries times at most", () => {
    fc.assert(
      fc.property(
        fc.array(outcome, { maxLength: 30 }),
        fc.integer({ min: 0, max: 6 }),
        (outcomes, maxRetries) => {
          let attempts = 0;
          let copiesPossible = 0;
          for (const next of outcomes) {
            attempts += 1;
            if (next.kind === "accepted" || next.kind === "unknown") copiesPossible += 1;
            const settlement = settle({ ...inHandOver, attempts }, next, {
              ...timing,
              policy: { ...policy, maxRetries },
            });
            if (settlement.status === "sending") break;
            attempts = settlement.attempts;
            if (settlement.status !== "queued") break;
          }
          expect(copiesPossible).toBeLessThanOrEqual(1);
          expect(attempts).toBeLessThanOrEqual(1 + maxRetries);
        },
      ),
    );
  });
});
