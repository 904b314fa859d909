import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expireLease, settle, type AttemptDetail, type OnUnknown, type Outcome } from "./lifecycle.ts";
import type { RetryPolicy } from "./retry-policy.ts";

const policy: RetryPolicy = { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 };
const detail: AttemptDetail = { transport: "smtp", phase: "DATA", text: "said the server" };
const now = 1_000_000;
const after = (attempts: number, outcome: Outcome, onUnknown: OnUnknown = "hold") =>
  settle({ attempts, onUnknown }, outcome, policy, now, 0.5);

describe("a mail whose hand-over ended", () => {
  it("is sent only when the transport accepted it", () => {
    expect(after(1, { kind: "accepted", detail })).toEqual({ status: "sent", attempts: 1 });
  });

  it("is queued again after a transient refusal, one backoff later", () => {
    expect(after(1, { kind: "refused_transient", detail })).toEqual({ status: "queued", attempts: 1, dueAt: now + 1_000 });
    expect(after(3, { kind: "refused_transient", detail })).toEqual({ status: "queued", attempts: 3, dueAt: now + 4_000 });
    expect(after(1, { kind: "refused_transient", detail, retryAfterMs: 120_000 })).toMatchObject({ dueAt: now + 120_000 });
  });

  it("is dead when its attempts are exhausted: the first and three retries", () => {
    expect(after(4, { kind: "refused_transient", detail })).toEqual({ status: "dead", attempts: 4, reason: "exhausted" });
  });

  it("is dead at once after a permanent refusal", () => {
    expect(after(1, { kind: "refused_permanent", detail })).toEqual({ status: "dead", attempts: 1, reason: "permanent" });
  });

  it("is unknown when its fate was not observed, and sent again only where the sender chose that", () => {
    expect(after(1, { kind: "unknown", detail })).toEqual({ status: "unknown", attempts: 1 });
    expect(after(1, { kind: "unknown", detail }, "resend")).toEqual({ status: "queued", attempts: 1, dueAt: now + 1_000 });
    expect(after(4, { kind: "unknown", detail }, "resend")).toMatchObject({ status: "dead", reason: "exhausted" });
  });

  it("has burned no attempt when the hand-over never began", () => {
    expect(after(2, { kind: "deferred", detail })).toEqual({ status: "queued", attempts: 1, dueAt: now + 1_000 });
    const rejected: Outcome = { kind: "deferred", detail, retryAfterMs: 30_000 };
    expect(after(2, rejected)).toEqual({ status: "queued", attempts: 1, dueAt: now + 30_000 });
  });
});

describe("a mail whose lease ran out", () => {
  it("goes back to the queue at once if it had not left", () => {
    expect(expireLease({ status: "claimed", attempts: 2, onUnknown: "hold" }, policy, now, 0.5)).toEqual({
      status: "queued",
      attempts: 2,
      dueAt: now,
    });
  });

  it("is unknown if it was being handed over", () => {
    expect(expireLease({ status: "sending", attempts: 1, onUnknown: "hold" }, policy, now, 0.5)).toEqual({
      status: "unknown",
      attempts: 1,
    });
    expect(expireLease({ status: "sending", attempts: 1, onUnknown: "resend" }, policy, now, 0.5).status).toBe("queued");
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

  it("a held mail reaches the transport at most once without a definite refusal in between, and at most 1 + maxRetries times", () => {
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 30 }), fc.integer({ min: 0, max: 6 }), (outcomes, maxRetries) => {
        let attempts = 0;
        let copiesPossible = 0;
        for (const next of outcomes) {
          attempts += 1;
          if (next.kind === "accepted" || next.kind === "unknown") copiesPossible += 1;
          const settlement = settle({ attempts, onUnknown: "hold" }, next, { ...policy, maxRetries }, now, 0.5);
          attempts = settlement.attempts;
          if (settlement.status !== "queued") break;
        }
        expect(copiesPossible).toBeLessThanOrEqual(1);
        expect(attempts).toBeLessThanOrEqual(1 + maxRetries);
      }),
    );
  });
});
