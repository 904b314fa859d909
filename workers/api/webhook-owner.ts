import { waitUntil } from "cloudflare:workers";
import type { Failure } from "../../shared/http/failure.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { webhookMessageFor } from "../../shared/webhooks/queue-messages.ts";
import type { ApiEnv } from "../env.ts";
import { tenantOf, type Caller } from "./call.ts";

/** What the handlers of webhook endpoints and of their deliveries share. */

export const noEndpoint: Failure = { tag: "not-found", what: "webhook endpoint" };

/** Whose endpoints a caller may use: null is everyone's. */
export const ownerOf = (caller: Caller): string | null =>
  caller.role === "user" ? tenantOf(caller) : null;

export const iso = (at: number): string => new Date(at).toISOString();

/** Notifies the consumer, after the answer. Without it the sweep does, within a minute. */
export function lookSoon({ WEBHOOK_QUEUE: queue }: ApiEnv, endpointId: string): void {
  const sent = queue.send(webhookMessageFor(endpointId)).catch((error: unknown) => {
    log("warn", "webhook.notification_failed", describeError(error));
  });
  waitUntil(sent);
}
