import { brandOf } from "../../shared/email/brand.ts";
import { claimAdmitted } from "../../shared/email/delivery/claim-admitted.ts";
import { deliverClaim } from "../../shared/email/delivery/deliver.ts";
import { newLeaseToken } from "../../shared/email/delivery/lease.ts";
import type { Delivery } from "../../shared/email/delivery/ports.ts";
import { acceptQueued } from "../../shared/email/producers.ts";
import {
  parseMessage,
  poisonFor,
  type EmailSend,
  type Notification,
} from "../../shared/email/queue-messages.ts";
import { retryPolicy, unsubscribeSettings, waitLimits } from "../../shared/email/settings.ts";
import { configuredTransports } from "../../shared/email/transports/configured.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import type { ConsumerEnv } from "../env.ts";

/**
 * Consumes notifications: claims the emails that they name, acknowledges and hands the emails over.
 * After the claim the notifications are no longer needed: D1 has what is
 * due, and the sweeper notifies again.
 */
export async function deliverBatch(batch: MessageBatch, env: ConsumerEnv): Promise<void> {
  const delivery = deliveryOf(env);
  const notifications: Notification[] = [];
  const notifying: Message[] = [];
  for (const message of batch.messages) {
    const parsed = parseMessage(message.body);
    if (!parsed.success) {
      await forwardPoison(message, env, "not a message of this queue");
    } else if ("type" in parsed.output) {
      await accept(message, parsed.output, env);
    } else {
      notifications.push(parsed.output);
      notifying.push(message);
    }
  }
  if (notifications.length === 0) return;

  const token = newLeaseToken();
  const claim = await claimAdmitted(delivery, notifications, token);
  for (const message of notifying) {
    if (claim === null) message.retry();
    else message.ack();
  }
  if (claim !== null) await deliverClaim(delivery, token, claim);
}

/** @throws Error naming the variable that is missing or bad */
function deliveryOf(env: ConsumerEnv): Delivery {
  const policy = retryPolicy(env);
  const limits = waitLimits(env);
  const transports = configuredTransports(env);
  if (!policy.ok) throw new Error(`${policy.error.variable} ${policy.error.message}`);
  if (!limits.ok) throw new Error(`${limits.error.variable} ${limits.error.message}`);
  if (!transports.ok) throw new Error(`${transports.error.variable} ${transports.error.message}`);
  const unsubscribe = unsubscribeSettings(env);
  return {
    db: env.DB,
    queue: env.EMAIL_QUEUE,
    deadLetterQueue: env.EMAIL_DLQ,
    transports: transports.value,
    policy: policy.value,
    waitLimits: limits.value,
    bucket: env.ATTACHMENTS,
    clock: Date.now,
    random: Math.random,
    sleep: (ms) => scheduler.wait(ms),
    unsubscribe: unsubscribe.ok ? unsubscribe.value : null,
    emailIdHeader: brandOf(env).emailIdHeader,
  };
}

async function accept(message: Message, send: EmailSend, env: ConsumerEnv): Promise<void> {
  const accepted = await acceptQueued({ db: env.DB, queue: env.EMAIL_QUEUE }, env, send);
  switch (accepted.do) {
    case "acknowledge":
      return message.ack();
    case "retry":
      return message.retry();
    case "refuse":
      return await forwardPoison(message, env, accepted.reason);
  }
}

/** If the dead-letter queue refuses it too, the runtime dead-letters the message as it came. */
async function forwardPoison(message: Message, env: ConsumerEnv, reason: string): Promise<void> {
  try {
    await env.EMAIL_DLQ.send(poisonFor(message.body, reason));
    message.ack();
  } catch (error) {
    log("error", "email.poison_forward_failed", describeError(error));
    message.retry();
  }
}
