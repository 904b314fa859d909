import { retryPolicy, smtpSettings, unsubscribeSettings } from "../../shared/config.ts";
import { claim, claimedBy, type Claim } from "../../shared/email/delivery/store.ts";
import { deliverClaimed } from "../../shared/email/delivery/deliver.ts";
import { LEASE_MS } from "../../shared/email/delivery/lease.ts";
import { parseMessage, poisonFor, type Doorbell } from "../../shared/email/messages.ts";
import { ring } from "../../shared/email/outbox.ts";
import { accept } from "./accept.ts";
import { guardTransport } from "../../shared/email/transports/guarded.ts";
import { smtpTransport } from "../../shared/email/transports/smtp.ts";
import { speaksAgainstServer } from "../../shared/email/transports/smtp-outcome.ts";
import type { ConsumerEnv } from "../../shared/env.ts";
import { describeError, log } from "../../shared/telemetry/log.ts";

/**
 * Consumes doorbells: claims the rows they ring for, hands the mails over and acknowledges. Once the claim has been made the
 * doorbells are worth nothing, whatever happens next: D1 knows what is due, and the sweeper rings again.
 */
export async function deliverBatch(batch: MessageBatch, env: ConsumerEnv): Promise<void> {
  const policy = retryPolicy(env);
  const smtp = smtpSettings(env);
  if (!policy.ok) throw new Error(`${policy.error.variable} ${policy.error.message}`);
  if (!smtp.ok) throw new Error(`${smtp.error.variable} ${smtp.error.message}`);

  const doorbells: Doorbell[] = [];
  const understood: Message[] = [];
  for (const message of batch.messages) {
    const parsed = parseMessage(message.body);
    if (!parsed.success) {
      await forwardPoison(message, env, "not a message of this queue");
    } else if ("type" in parsed.output) {
      await accept(message, parsed.output, env, (reason) => forwardPoison(message, env, reason));
    } else {
      doorbells.push(parsed.output);
      understood.push(message);
    }
  }
  if (doorbells.length === 0) return;

  const token = crypto.randomUUID();
  const now = Date.now();
  const claimed = await claimOrReread(env.DB, doorbells, token, now);
  for (const message of understood) {
    if (claimed === null) message.retry();
    else message.ack();
  }
  if (claimed === null) return;

  const outbox = { db: env.DB, queue: env.EMAIL_QUEUE };
  const unsubscribe = unsubscribeSettings(env);
  await ring(outbox, claimed.early, now);
  await deliverClaimed(
    {
      ...outbox,
      deadLetterQueue: env.EMAIL_DLQ,
      transport: guardTransport(env, "smtp", smtpTransport(smtp.value), speaksAgainstServer),
      policy: policy.value,
      clock: Date.now,
      random: Math.random,
      sleep: (ms) => scheduler.wait(ms),
      unsubscribe: unsubscribe.ok ? unsubscribe.value : null,
    },
    token,
    claimed.claimed,
  );
}

/** A claim whose reply was lost may hold mails all the same: without a look they would wait until its lease runs out. */
async function claimOrReread(db: D1Database, doorbells: Doorbell[], token: string, now: number): Promise<Claim | null> {
  try {
    return await claim(db, doorbells, token, now, now + LEASE_MS);
  } catch (error) {
    log("error", "email.claim_failed", { doorbells: doorbells.length, ...describeError(error) });
    const ids = await claimedBy(db, token).catch(() => []);
    return ids.length === 0 ? null : { claimed: ids, early: [] };
  }
}

/** If even the dead-letter queue refuses it, the runtime dead-letters the message as it came. */
async function forwardPoison(message: Message, env: ConsumerEnv, reason: string): Promise<void> {
  try {
    await env.EMAIL_DLQ.send(poisonFor(message.body, reason));
    message.ack();
  } catch (error) {
    log("error", "email.poison_forward_failed", describeError(error));
    message.retry();
  }
}
