import * as v from "valibot";

/** "Look at this endpoint": carries no event, so losing it loses none. */
const webhookNotification = v.object({ v: v.literal(1), endpointId: v.string() });

export type WebhookMessage = v.InferOutput<typeof webhookNotification>;

export const parseWebhookMessage = v.safeParser(webhookNotification);

export const webhookMessageFor = (endpointId: string): WebhookMessage => ({ v: 1, endpointId });
