import { waitUntil } from "cloudflare:workers";
import type { Failure } from "../../shared/http/failure.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { webhookMessageFor } from "../../shared/webhooks/queue-messages.ts";
import type { ApiEnv } from "../env.ts";

/** What the handlers of webhook endpoints and of their deliveries share. */

export const noEndpoint: Failure = { tag: "not-found", what: "webhook endpoint" };

/** Notifies the consumer, after the answer. Without it the sweep does, within a minute. */
export function lookSoon({ WEBHOOK_QUEUE: queue }: ApiEnv, endpointId: string): void {
  const sent = queue.send(webhookMessageFor(endpointId)).catch((error: unknown) => {
    log("warn", "webhook.notification_failed", describeError(error));
  });
  waitUntil(sent);
}
