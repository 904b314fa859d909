import { systemClock } from "../../shared/lib/base/clock.ts";
import { fanOut } from "../../shared/lib/worker/fan-out.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { deliverDue, type WebhookDelivery } from "../../shared/webhooks/deliver.ts";
import { fanOutAfterWrites } from "../../shared/webhooks/notify.ts";
import { parseWebhookMessage, webhookMessageFor } from "../../shared/webhooks/queue-messages.ts";
import type { QueueSpeed } from "../../shared/webhooks/rules/health.ts";
import { outboundPolicy, secretsKey } from "../../shared/webhooks/settings.ts";
import type { ConsumerEnv } from "../env.ts";

/** Endpoints at a time: a healthy one has up to three calls, and six connections are there. */
const atOnce: Record<QueueSpeed, number> = { fast: 2, slow: 6 };
/** What is due later is left to the sweep. */
const MAX_DELAY_MS = 60_000;

/**
 * Consumes notifications of one queue. All are acknowledged: D1 has what is due, and the sweep
 * notifies again.
 */
export async function webhookBatch(
  speed: QueueSpeed,
  { messages }: MessageBatch,
  env: ConsumerEnv,
): Promise<void> {
  const ports = portsOf(env);
  const ids = new Set<string>();
  for (const message of messages) {
    const parsed = parseWebhookMessage(message.body);
    if (parsed.success) ids.add(parsed.output.endpointId);
    message.ack();
  }
  if (ports !== null) await fanOut([...ids], (id) => deliver(ports, env, id, speed), atOnce[speed]);
  await writeDeliveries(env);
}

/** After a batch of emails: their events wait. Never throws. */
export async function writeDeliveries(env: ConsumerEnv): Promise<void> {
  try {
    await fanOutAfterWrites(env, Date.now());
  } catch (error) {
    log("error", "webhook.fan_out_failed", describeError(error));
  }
}

/** One endpoint that fails keeps no other from its deliveries. */
async function deliver(
  ports: WebhookDelivery,
  env: ConsumerEnv,
  id: string,
  speed: QueueSpeed,
): Promise<void> {
  try {
    const { next } = await deliverDue(ports, id, speed);
    const waitMs = next === null ? Infinity : next.at - Date.now();
    if (next === null || waitMs > MAX_DELAY_MS) return;
    const queue = next.speed === "fast" ? env.WEBHOOK_QUEUE : env.WEBHOOK_SLOW_QUEUE;
    const delaySeconds = Math.max(Math.ceil(waitMs / 1_000), 0);
    await queue.send(webhookMessageFor(id), { delaySeconds });
  } catch (error) {
    log("error", "webhook.delivery_failed", { endpointId: id, ...describeError(error) });
  }
}

function portsOf(env: ConsumerEnv): WebhookDelivery | null {
  const [key, policy] = [secretsKey(env), outboundPolicy(env)];
  if (key.ok && policy.ok) {
    return {
      db: env.DB,
      secretsKey: key.value,
      policy: policy.value,
      fetch: (input, init) => fetch(input, init),
      clock: systemClock,
      random: Math.random,
    };
  }
  const wrong = [key, policy].flatMap((one) => (one.ok ? [] : [one.error]));
  for (const { variable, message } of wrong)
    log("error", "webhook.misconfigured", { variable, problem: message });
  return null;
}
