import { Webhook } from "standardwebhooks";
import { beginningOf } from "../http/beginning.ts";
import type { Clock } from "../lib/base/clock.ts";
import { cut } from "../lib/base/cut.ts";
import { webhookOutcomeOf, unanswered, type WebhookOutcome } from "./rules/answer.ts";

/** One call of an endpoint, within a time limit and without redirects. */

/** How much of an answer is kept. */
const MAX_ANSWER_BYTES = 1_024;

export type EndpointCall = {
  url: string;
  /** Each signs. */
  secrets: readonly string[];
  /** The same for each attempt. */
  id: string;
  /** JSON. */
  body: string;
  headers?: Record<string, string>;
  timeoutMs: number;
};

export type Called = { outcome: WebhookOutcome; tookMs: number; answer: string };

type Ports = { fetch: typeof fetch; clock: Pick<Clock, "now"> };

/** Never throws. */
export async function callEndpoint(call: EndpointCall, { fetch, clock }: Ports): Promise<Called> {
  const beganAt = clock.now();
  const deadline = AbortSignal.timeout(call.timeoutMs);
  const after = (outcome: WebhookOutcome, answer: string): Called => ({
    outcome,
    tookMs: clock.now() - beganAt,
    answer,
  });
  try {
    const response = await fetch(call.url, { ...requestOf(call, beganAt), signal: deadline });
    const outcome = webhookOutcomeOf(
      response.status,
      response.headers.get("Retry-After"),
      clock.now(),
    );
    // The status has decided: what follows it is only shown.
    return after(outcome, await beginningOf(response.body, MAX_ANSWER_BYTES));
  } catch (error) {
    const text = error instanceof Error ? cut(error.message, MAX_ANSWER_BYTES) : "";
    return after(unanswered(deadline.aborted ? "deadline" : "connection"), text);
  }
}

function requestOf({ secrets, id, body, headers }: EndpointCall, now: number): RequestInit {
  const signedAt = new Date(now);
  const signatures = secrets.map((secret) => new Webhook(secret).sign(id, signedAt, body));
  return {
    method: "POST",
    body,
    redirect: "manual",
    headers: {
      ...headers,
      "Content-Type": "application/json",
      "User-Agent": "Standard-Webhooks/1",
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(now / 1_000)),
      "webhook-signature": signatures.join(" "),
    },
  };
}
