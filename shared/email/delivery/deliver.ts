import { describeError, log } from "../../telemetry/log.ts";
import { type AttemptDetail, type Outcome, settle } from "../lifecycle.ts";
import { buryFor, type QueueMessage } from "../messages.ts";
import { ring, sendAll, type Outbox } from "../outbox.ts";
import type { RetryPolicy } from "../retry-policy.ts";
import type { Attachment, OutgoingMail, Transport } from "../transports/transport.ts";
import { offersUnsubscribe, unsubscribeUrl, type UnsubscribeSettings } from "../unsubscribe.ts";
import { parseMailbox } from "../address.ts";
import { GROUP_SIZE, LEASE_MS } from "./lease.ts";
import { advance, type MailInHandOver, type Settled } from "./store.ts";

export type Delivery = Outbox & {
  deadLetterQueue: Queue<QueueMessage>;
  transport: Transport;
  policy: RetryPolicy;
  /** Milliseconds since the epoch. */
  clock: () => number;
  /** In [0, 1). */
  random: () => number;
  sleep: (ms: number) => Promise<void>;
  /** Null while the links are not configured: then what needs one waits. */
  unsubscribe: UnsubscribeSettings | null;
};

/**
 * Hands over the mails that `token` has claimed, a group at a time: one D1 batch records what became of a group and marks
 * the next. Only mails of the group in hand-over are `sending`, so a crash leaves only those `unknown`; the lease of the
 * others runs out and they are queued again.
 */
export async function deliverClaimed(delivery: Delivery, token: string, ids: string[]): Promise<void> {
  let settled: Settled[] = [];
  for (let start = 0; start < ids.length || settled.length > 0; start += GROUP_SIZE) {
    const group = await recordAndAdvance(delivery, token, settled, ids.slice(start, start + GROUP_SIZE));
    if (group === null) return;
    await announce(delivery, settled);
    settled = await Promise.all(group.map((mail) => handOver(delivery, mail)));
  }
}

async function handOver({ transport, policy, clock, random, unsubscribe }: Delivery, mail: MailInHandOver): Promise<Settled> {
  const outcome = await attempt(transport, mail, unsubscribe, mail.leaseExpiresAt - clock());
  const settlement = settle(mail, outcome, policy, clock(), random());
  log(outcome.kind === "accepted" ? "info" : "warn", "email.attempt", {
    emailId: mail.id,
    generation: mail.generation,
    attempt: mail.attempts,
    transport: outcome.detail.transport,
    phase: outcome.detail.phase,
    code: outcome.detail.code,
    outcome: outcome.kind,
    status: settlement.status,
  });
  return { id: mail.id, generation: mail.generation, settlement, detail: outcome.detail };
}

async function attempt(
  transport: Transport,
  mail: MailInHandOver,
  unsubscribe: UnsubscribeSettings | null,
  leaseLeftMs: number,
): Promise<Outcome> {
  if (leaseLeftMs < transport.deadlineMs) return { kind: "deferred", detail: leaseTooShort };
  const needsLink = offersUnsubscribe(mail.category);
  if (needsLink && unsubscribe === null) return { kind: "deferred", detail: noLink, retryAfterMs: MINUTE_MS };
  const url = needsLink && unsubscribe !== null ? await unsubscribeUrl(unsubscribe, mail.id) : null;
  return await transport.send(outgoing(mail, url)).catch(broken);
}

/** A transport that throws breaks its promise; its neighbours' outcomes are recorded all the same. */
function broken(error: unknown): Outcome {
  return { kind: "unknown", detail: { transport: "none", phase: "transport", text: describeError(error).message } };
}

const leaseTooShort: AttemptDetail = { transport: "none", phase: "lease", text: "too little of the lease was left to begin" };

const noLink: AttemptDetail = {
  transport: "none",
  phase: "configuration",
  text: "PUBLIC_URL or UNSUBSCRIBE_SECRET is missing or bad, and the mail needs an unsubscribe link",
};

function outgoing(mail: MailInHandOver, link: string | null): OutgoingMail {
  const from = parseMailbox(mail.from);
  const domain = from.address.slice(from.address.indexOf("@") + 1);
  return {
    messageId: `<${mail.id}@${domain}>`,
    id: mail.id,
    generation: mail.generation,
    date: new Date(mail.generationAt),
    from,
    to: mail.to,
    replyTo: mail.replyTo,
    subject: mail.subject,
    html: mail.html,
    text: mail.text,
    attachments: mail.attachments === null ? [] : (JSON.parse(mail.attachments) as Attachment[]),
    unsubscribeUrl: link,
  };
}

const MINUTE_MS = 60_000;

/** An outcome that is not recorded leaves a sent mail `unknown`, so D1 is asked again. Repeating is safe: see `advance`. */
const RECORD_RETRIES_MS = [100, 300, 1_000, 3_000, 5_000, 10_000];

/** @returns null when D1 did not answer: the leases run out, and the sweeper takes over */
async function recordAndAdvance(
  { db, clock, sleep }: Delivery,
  token: string,
  settled: Settled[],
  next: string[],
): Promise<MailInHandOver[] | null> {
  for (const delayMs of [...RECORD_RETRIES_MS, null]) {
    const now = clock();
    try {
      return await advance(db, token, settled, next, now, now + LEASE_MS);
    } catch (error) {
      log("error", "email.record_failed", { settled: settled.length, next: next.length, ...describeError(error) });
      if (delayMs !== null) await sleep(delayMs);
    }
  }
  return null;
}

/** Rings for what is tried again and sends the dead to be buried. What cannot be sent now, the sweeper sends. */
async function announce(delivery: Delivery, settled: Settled[]): Promise<void> {
  const again = settled.flatMap(({ id, generation, settlement }) =>
    settlement.status === "queued" ? [{ id, generation, dueAt: settlement.dueAt }] : [],
  );
  await ring(delivery, again, delivery.clock());
  const dead = settled.filter(({ settlement }) => settlement.status === "dead");
  try {
    await sendAll(
      delivery.deadLetterQueue,
      dead.map((mail) => ({ body: buryFor(mail) })),
    );
  } catch (error) {
    log("warn", "email.burial_failed", { mails: dead.length, ...describeError(error) });
  }
}
