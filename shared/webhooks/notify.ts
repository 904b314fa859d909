import { webhookMessageFor, type WebhookMessage } from "./queue-messages.ts";
import { speedOf, type QueueSpeed } from "./rules/health.ts";
import { fanOutEvents, hasSubscriptions } from "./sql/events.ts";
import { speedsOf } from "./sql/waiting.ts";

/** The queues that bring endpoints to the consumer. */
export type WebhookQueues = {
  WEBHOOK_QUEUE: Queue<WebhookMessage>;
  WEBHOOK_SLOW_QUEUE: Queue<WebhookMessage>;
};
export type WebhookQueuesEnv = WebhookQueues & { DB: D1Database };

/** Events per batch of D1, and messages per call of a queue. */
const PAGE = 100;

export async function notifyEndpoints(
  env: WebhookQueues,
  endpoints: readonly { id: string; speed: QueueSpeed }[],
): Promise<void> {
  const queues = { fast: env.WEBHOOK_QUEUE, slow: env.WEBHOOK_SLOW_QUEUE };
  for (const [speed, queue] of Object.entries(queues) as [QueueSpeed, Queue<WebhookMessage>][]) {
    const bodies = endpoints
      .filter((one) => one.speed === speed)
      .map(({ id }) => ({ body: webhookMessageFor(id) }));
    for (let start = 0; start < bodies.length; start += PAGE)
      await queue.sendBatch(bodies.slice(start, start + PAGE));
  }
}

/**
 * Writes the deliveries of waiting events and notifies the consumer, up to so many pages.
 *
 * @returns how many events it took
 */
export async function fanOutWaiting(
  env: WebhookQueuesEnv,
  now: number,
  pages: number,
): Promise<number> {
  let taken = 0;
  for (let page = 0; page < pages; page += 1) {
    const { events, targets } = await fanOutEvents(env.DB, now, PAGE);
    taken += events;
    if (targets.length > 0) {
      const endpoints = await speedsOf(env.DB, targets);
      await notifyEndpoints(
        env,
        endpoints.map((one) => ({ id: one.id, speed: speedOf(one) })),
      );
    }
    if (events < PAGE) break;
  }
  return taken;
}

/** For how long an isolate relies on there being no subscription. The sweep takes what is later. */
const RECHECK_MS = 300_000;
let noneUntil = 0;

/** The same after a batch of writes, at no cost while no endpoint subscribes to anything. */
export async function fanOutAfterWrites(env: WebhookQueuesEnv, now: number): Promise<void> {
  if (now < noneUntil) return;
  if (await hasSubscriptions(env.DB)) await fanOutWaiting(env, now, 10);
  else noneUntil = now + RECHECK_MS;
}
