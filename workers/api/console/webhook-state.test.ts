import { describe, expect, it } from "vitest";
import {
  attemptText,
  deliveryState,
  endpointState,
  nextAttemptAt,
  patternsIn,
  type ShownDelivery,
  type ShownEndpoint,
} from "./webhook-state.ts";

describe("an endpoint", () => {
  const at = "2026-11-30T00:00:00.000Z";
  const paused = (because: "requested" | "failing" | "gone") => ({ because, at });
  it.each<[Pick<ShownEndpoint, "paused" | "health">, string, string]>([
    [{ health: { failures: 0 } }, "idle", "no failed call"],
    [{ health: { failures: 1 } }, "warn", "1 failed call in a row"],
    [{ health: { failures: 4 } }, "warn", "4 failed calls in a row"],
    [{ paused: paused("requested"), health: { failures: 4 } }, "idle", "paused on request"],
    [{ paused: paused("gone"), health: { failures: 1 } }, "bad", "paused: it answered 410 Gone"],
    [
      { paused: paused("failing"), health: { failures: 9 } },
      "bad",
      "paused: it failed for five days",
    ],
  ])("%j is shown as %s: %s", (endpoint, tone, text) => {
    expect(endpointState(endpoint)).toEqual({ tone, text });
  });
});

describe("a delivery", () => {
  it.each<[Pick<ShownDelivery, "status" | "attempts" | "reason">, string, string]>([
    [{ status: "delivered", attempts: 1 }, "good", "delivered"],
    [{ status: "delivering", attempts: 1 }, "idle", "under way"],
    [{ status: "pending", attempts: 0 }, "idle", "waits"],
    [{ status: "pending", attempts: 2 }, "warn", "waits after 2 failed attempts"],
    [{ status: "dead", attempts: 8, reason: "exhausted" }, "bad", "dead: exhausted"],
  ])("%j is shown as %s: %s", (delivery, tone, text) => {
    expect(deliveryState(delivery)).toEqual({ tone, text });
  });
});

it.each([
  [{ outcome: "delivered", status: 204 }, "delivered (204)"],
  [{ outcome: "status", status: 500 }, "refused (500)"],
  [{ outcome: "deadline" }, "no answer in time"],
  [{ outcome: "of-a-later-release" }, "of-a-later-release"],
])("the attempt %j reads %s", (attempt, text) => {
  expect(attemptText(attempt)).toBe(text);
});

it("patterns are separated by spaces or commas", () => {
  expect(patternsIn(" email.*, team.created\nuser.* ")).toEqual([
    "email.*",
    "team.created",
    "user.*",
  ]);
});

it("a delivery is tried when it is due, and not before its endpoint is", () => {
  const [early, late] = ["2026-11-30T10:00:00.000Z", "2026-11-30T10:05:00.000Z"];
  expect(nextAttemptAt({ dueAt: early }, undefined)).toBe(early);
  expect(nextAttemptAt({ dueAt: early }, late)).toBe(late);
  expect(nextAttemptAt({ dueAt: late }, early)).toBe(late);
  expect(nextAttemptAt({}, late)).toBeUndefined();
});
