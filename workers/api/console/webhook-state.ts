import type { AnswerBody } from "./api.ts";
import { countText } from "./format.ts";
import type { Tone } from "./ui/bits.tsx";

/** What the pages of webhooks show. Pure. */

export type ShownEndpoint = AnswerBody<"listWebhookEndpoints">["items"][number];
export type ShownDelivery = AnswerBody<"listWebhookDeliveries">["items"][number];
type Attempt = ShownDelivery["log"][number];
type Shown = { tone: Tone; text: string };

const pauses: Record<NonNullable<ShownEndpoint["paused"]>["because"], Shown> = {
  requested: { tone: "idle", text: "paused on request" },
  failing: { tone: "bad", text: "paused: it failed for five days" },
  gone: { tone: "bad", text: "paused: it answered 410 Gone" },
};

/** Without a failure nothing is known: an endpoint that was never called has none either. */
export function endpointState({ paused, health }: Pick<ShownEndpoint, "paused" | "health">): Shown {
  if (paused !== undefined) return pauses[paused.because];
  if (health.failures === 0) return { tone: "idle", text: "no failed call" };
  return { tone: "warn", text: `${countText(health.failures, "failed call")} in a row` };
}

/** When a delivery is tried next: an endpoint that fails makes all of its deliveries wait. */
export function nextAttemptAt(
  { dueAt }: Pick<ShownDelivery, "dueAt">,
  notBefore: string | undefined,
): string | undefined {
  return dueAt !== undefined && notBefore !== undefined && notBefore > dueAt ? notBefore : dueAt;
}

type Life = Pick<ShownDelivery, "status" | "attempts" | "reason">;

export function deliveryState({ status, attempts, reason }: Life): Shown {
  switch (status) {
    case "delivered":
      return { tone: "good", text: "delivered" };
    case "dead":
      return { tone: "bad", text: reason === undefined ? "dead" : `dead: ${reason}` };
    case "delivering":
      return { tone: "idle", text: "under way" };
    case "pending":
      return attempts === 0
        ? { tone: "idle", text: "waits" }
        : { tone: "warn", text: `waits after ${countText(attempts, "failed attempt")}` };
  }
}

const outcomes: Readonly<Record<string, string>> = {
  status: "refused",
  redirect: "redirect, not followed",
  deadline: "no answer in time",
  connection: "no connection",
  "refused-url": "URL not allowed",
  "lease-expired": "cut off",
  busy: "asked to wait",
  gone: "answered that it is gone",
};

/** `refused (500)`. */
export function attemptText({ outcome, status }: Pick<Attempt, "outcome" | "status">): string {
  const text = outcomes[outcome] ?? outcome;
  return status === undefined ? text : `${text} (${status})`;
}

/** The patterns in a text that separates them by spaces or commas. */
export const patternsIn = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);
