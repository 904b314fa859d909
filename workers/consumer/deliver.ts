import { countTransaction } from "../../shared/database/transactions.ts";
import { WRITE_TIMEOUT_MS } from "../../shared/database/write.ts";
import { deliverClaimed, routesOf } from "../../shared/email/delivery/deliver.ts";
import { LEASE_MS } from "../../shared/email/delivery/lease.ts";
import { observeClaimed } from "../../shared/email/delivery/observe.ts";
import { ring } from "../../shared/email/outbox.ts";
import { parseMessage, poisonFor, type Doorbell } from "../../shared/email/queue-messages.ts";
import { claimLimit, breakerIsOpen, type ClaimLimit } from "../../shared/email/rules/plan.ts";
import type { TransportName } from "../../shared/email/rules/transports.ts";
import { retryPolicy, unsubscribeSettings } from "../../shared/email/settings.ts";
import { claim, claimedBy, postpone, type Claim } from "../../shared/email/sql/claim.ts";
import { configuredTransports } from "../../shared/email/transports/configured.ts";
import type { GuardedTransport } from "../../shared/email/transports/transport.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import type { ConsumerEnv } from "../env.ts";
import { accept } from "./accept.ts";

/**
 * Consumes doorbells: claims the rows they ring for, hands the mails over and acknowledges. Once
 * the claim has been made the doorbells are worth nothing, whatever happens next: D1 knows what is
 * due, and the sweeper rings again.
 */
export async function deliverBatch(batch: MessageBatch, env: ConsumerEnv): Promise<void> {
  const policy = retryPolicy(env);
  const transports = configuredTransports(env);
  if (!policy.ok) throw new Error(`${policy.error.variable} ${policy.error.message}`);
  if (!transports.ok) throw new Error(`${transports.error.variable} ${transports.error.message}`);

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
  const claimed = await claimAdmitted(env, transports.value, doorbells, token);
  for (const message of understood) {
    if (claimed === null) message.retry();
    else message.ack();
  }
  if (claimed === null) return;
  observeClaimed(claimed.claimed, Date.now());

  const outbox = { db: env.DB, queue: env.EMAIL_QUEUE };
  const unsubscribe = unsubscribeSettings(env);
  await ring(outbox, claimed.early, Date.now());
  await deliverClaimed(
    {
      ...outbox,
      deadLetterQueue: env.EMAIL_DLQ,
      transports: transports.value,
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

/** Claims what the transports take now, and puts off the rest. Null when D1 does not answer. */
async function claimAdmitted(
  env: ConsumerEnv,
  transports: GuardedTransport[],
  doorbells: Doorbell[],
  token: string,
): Promise<Claim | null> {
  await Promise.all(transports.map((transport) => transport.refresh()));
  const { open, limit, waitMs }: ClaimLimit = claimLimit(routesOf(transports));
  const now = Date.now();
  const claimed =
    limit === 0
      ? { claimed: [], early: [] }
      : await claimOrReread(env.DB, doorbells, token, now, open, Math.min(limit, doorbells.length));
  if (claimed === null || waitMs === 0 || claimed.claimed.length === doorbells.length)
    return claimed;
  try {
    const detail = JSON.stringify(
      breakerIsOpen(
        transports.find(({ name }) => !open.includes(name))?.name ?? transports[0]?.name ?? "smtp",
      ),
    );
    const later = await within(
      WRITE_TIMEOUT_MS,
      postpone(env.DB, doorbells, now + waitMs, detail, now),
    );
    log("info", "email.postponed", { mails: later.length, waitMs });
    return { claimed: claimed.claimed, early: later };
  } catch (error) {
    log("error", "email.postpone_failed", { doorbells: doorbells.length, ...describeError(error) });
    // What was claimed must be handed over; for the others the sweeper rings.
    return claimed.claimed.length === 0 ? null : claimed;
  }
}

/**
 * A claim whose reply was lost may hold mails all the same: without a look they would wait until
 * its lease runs out.
 */
async function claimOrReread(
  db: D1Database,
  doorbells: Doorbell[],
  token: string,
  now: number,
  open: TransportName[],
  limit: number,
): Promise<Claim | null> {
  try {
    const claimed = await within(
      WRITE_TIMEOUT_MS,
      claim(db, doorbells, token, now, now + LEASE_MS, open, limit),
    );
    countTransaction("committed");
    return claimed;
  } catch (error) {
    log("error", "email.claim_failed", { doorbells: doorbells.length, ...describeError(error) });
    const claimed = await within(WRITE_TIMEOUT_MS, claimedBy(db, token)).catch(() => null);
    countTransaction(claimed === null ? "unknown" : claimed.length === 0 ? "failed" : "committed");
    return claimed === null || claimed.length === 0 ? null : { claimed, early: [] };
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
