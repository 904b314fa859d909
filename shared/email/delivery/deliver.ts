import { countTransaction } from "../../database/transactions.ts";
import { WRITE_TIMEOUT_MS } from "../../database/write.ts";
import { within } from "../../lib/base/deadline.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { counters } from "../../telemetry/counters.ts";
import { QUEUE_TIMEOUT_MS, ring, sendAll, type Outbox } from "../outbox.ts";
import { buryFor, type QueueMessage } from "../queue-messages.ts";
import type { Claimed } from "../rules/claimed.ts";
import { refusalsWith, settle, withoutFailover } from "../rules/lifecycle.ts";
import type { Outcome } from "../rules/outcome.ts";
import {
  chooseTransport,
  planGroup,
  type Failover,
  type Plan,
  type Route,
  type Waiting,
} from "../rules/plan.ts";
import type { RetryPolicy } from "../rules/retry-policy.ts";
import type { TransportName } from "../rules/transports.ts";
import { advance, type Advanced, type MailInHandOver } from "../sql/delivery.ts";
import { queueUp } from "../sql/pace.ts";
import type { Settled } from "../sql/settle.ts";
import type { GuardedTransport } from "../transports/transport.ts";
import type { UnsubscribeSettings } from "../unsubscribe.ts";
import { handOver } from "./hand-over.ts";
import { GROUP_SIZE, LEASE_MS } from "./lease.ts";
import { observeSettled } from "./observe.ts";

export type Delivery = Outbox & {
  deadLetterQueue: Queue<QueueMessage>;
  /** In the order in which they are tried. */
  transports: GuardedTransport[];
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
 * Hands over the mails that `token` has claimed, a group at a time: one D1 batch records what
 * became of a group and marks the next. Only mails of the group in hand-over are `sending`, so a
 * crash leaves only those `unknown`; the lease of the others runs out and they are queued again. A
 * mail that its transport refused goes on to the next one with the next group.
 */
export async function deliverClaimed(
  delivery: Delivery,
  token: string,
  claimed: Claimed[],
): Promise<void> {
  const paced = new Map<TransportName, number>();
  let waiting: Waiting[] = claimed.map((mail) => ({ ...mail, failover: null }));
  let settled: Settled[] = [];
  try {
    for (let round = 0; waiting.length > 0 || settled.length > 0; round += 1) {
      const plan = planGroup(
        waiting,
        routesOf(delivery.transports, paced),
        GROUP_SIZE,
        delivery.unsubscribe !== null,
        delivery.clock(),
      );
      settled.push(...plan.putBack.map(putBackOf));
      const grant = `${token}:${round}`;
      const advanced = await recordAndAdvance(delivery, token, settled, plan, grant);
      if (advanced === null) return;
      observeSettled(settled);
      await announce(delivery, settled);
      const missed = withoutTurn(plan, advanced, grant, paced);
      if (missed.again.length > 0)
        await spread(delivery, missed.again.length + plan.rest.length, paced);
      closeUnused(delivery.transports, advanced);
      const ended = await Promise.all(
        inHandOver(delivery, plan, advanced).map((one) => handOverInTurn(delivery, one)),
      );
      waiting = [
        ...ended.flatMap((end) => ("failover" in end ? [end] : [])),
        ...missed.again,
        ...plan.rest,
      ];
      settled = [...ended.flatMap((end) => ("failover" in end ? [] : [end])), ...missed.settled];
    }
  } finally {
    for (const transport of delivery.transports) transport.close?.();
  }
}

export function routesOf(
  transports: GuardedTransport[],
  paced: ReadonlyMap<TransportName, number> = new Map(),
): Route[] {
  return transports.map((transport) => {
    const { name, everyMs } = transport;
    return { name, everyMs, admission: transport.admission(), pacedUntil: paced.get(name) ?? 0 };
  });
}

function putBackOf({ mail, settlement, detail }: Plan["putBack"][number]): Settled {
  return { id: mail.id, generation: mail.generation, settlement, detail, putBack: true };
}

/**
 * Marks that did not come to pass. A claimed mail whose transport had no turn is planned again, now
 * that its pace is known; one that another transport refused becomes what it would be without this
 * one. The others are no longer this lease's.
 */
function withoutTurn(
  { marks }: Plan,
  { mails, pace }: Advanced,
  grant: string,
  paced: Map<TransportName, number>,
): { again: Waiting[]; settled: Settled[] } {
  for (const { transport, freeAt, grantedTo } of pace) {
    if (grantedTo === grant) paced.delete(transport);
    else paced.set(transport, freeAt);
  }
  const marked = new Set(mails.map(({ id }) => id));
  const missing = marks.filter(({ mail }) => !marked.has(mail.id));
  return {
    again: missing.flatMap(({ mail, transport }) =>
      mail.failover === null && paced.has(transport) ? [mail] : [],
    ),
    settled: missing.flatMap(({ mail: { id, generation, failover } }) =>
      failover === null
        ? []
        : [{ id, generation, settlement: failover.otherwise, detail: failover.refusal }],
    ),
  };
}

/**
 * What finds no turn now comes back when its turn may be: behind all others that found none, or
 * they would all come back together. If D1 does not say when, they do.
 */
async function spread(
  { db, transports, clock }: Delivery,
  mails: number,
  paced: Map<TransportName, number>,
): Promise<void> {
  for (const { name, everyMs } of transports) {
    const freeAt = paced.get(name);
    if (freeAt === undefined || everyMs === null) continue;
    const from = await queueUp(db, name, mails * everyMs, clock()).catch(() => null);
    if (from !== null) paced.set(name, Math.max(freeAt, from));
  }
}

/**
 * A Worker may have six connections at once: what waits for the next mail of one transport must not
 * keep them from another.
 */
function closeUnused(transports: GuardedTransport[], { mails }: Advanced): void {
  for (const transport of transports)
    if (!mails.some((mail) => mail.transport === transport.name)) transport.close?.();
}

/** `startsAt`: its turn, where the transport has a rate. */
type InHandOver = {
  mail: MailInHandOver;
  waiting: Waiting;
  transport: GuardedTransport;
  startsAt: number;
};

function inHandOver(
  { transports }: Delivery,
  { marks }: Plan,
  { mails, pace }: Advanced,
): InHandOver[] {
  return mails.flatMap((mail) => {
    const place = mails.filter((one) => one.transport === mail.transport).indexOf(mail);
    const transport = transports.find(({ name }) => name === mail.transport);
    const waiting = marks.find((mark) => mark.mail.id === mail.id)?.mail;
    if (transport === undefined || waiting === undefined) return [];
    const everyMs = transport.everyMs ?? 0;
    const share = marks.filter((mark) => mark.transport === transport.name).length * everyMs;
    const freeAt = pace.find((one) => one.transport === transport.name)?.freeAt ?? 0;
    return [{ mail, waiting, transport, startsAt: freeAt - Math.ceil(share) + place * everyMs }];
  });
}

/** @returns what became of the mail, or the mail on its way to another transport */
async function handOverInTurn(
  delivery: Delivery,
  { mail, waiting, transport, startsAt }: InHandOver,
): Promise<Settled | Waiting> {
  const { clock, sleep, unsubscribe } = delivery;
  const aheadMs = startsAt - clock();
  if (transport.everyMs !== null && aheadMs > 0) await sleep(aheadMs);
  const outcome = await handOver(transport, mail, unsubscribe, clock());
  counters.count("luna_email_attempts_total", { transport: transport.name, outcome: outcome.kind });
  return settledOrOn(delivery, waiting, mail, outcome);
}

function settledOrOn(
  { transports, policy, clock, random }: Delivery,
  waiting: Waiting,
  mail: MailInHandOver,
  outcome: Outcome,
) {
  const { failover } = waiting;
  const { id, generation, transport } = mail;
  const tried = [...(failover?.tried ?? []), transport];
  const next = chooseTransport(null, tried, routesOf(transports), new Set());
  const hasUntried = transports.some(({ name }) => !tried.includes(name));
  const ended = {
    ...mail,
    hasUntried,
    handOverAt: mail.leaseExpiresAt - LEASE_MS,
    refusals: failover?.refusals ?? null,
  };
  const decide = [policy, clock(), random()] as const;
  const settlement = settle({ ...ended, hasAlternative: "use" in next }, outcome, ...decide);
  if (settlement.status !== "sending")
    return { id, generation, settlement, detail: outcome.detail };
  if (!("use" in next)) throw new Error("a mail failed over without an alternative");
  const onItsWay = failoverOf(failover, transport, next.use, tried, outcome);
  return {
    ...waiting,
    failover: { ...onItsWay, otherwise: withoutFailover(ended, onItsWay.refusals, ...decide) },
  };
}

function failoverOf(
  before: Failover | null,
  from: TransportName,
  to: TransportName,
  tried: TransportName[],
  outcome: Outcome,
): Omit<Failover, "otherwise"> {
  const retryAfterMs = "retryAfterMs" in outcome ? (outcome.retryAfterMs ?? 0) : 0;
  const transient = outcome.kind === "refused_transient" || before?.refusals.transient === true;
  return {
    from,
    to,
    tried,
    refusals: refusalsWith(before?.refusals ?? null, transient, retryAfterMs),
    refusal: outcome.detail,
  };
}

/**
 * An outcome that is not recorded leaves a sent mail `unknown`, so D1 is asked again. Repeating is
 * safe: see `advance`.
 */
const RECORD_RETRIES_MS = [100, 300, 1_000, 3_000, 5_000, 10_000];

/** @returns null when D1 did not answer: the leases run out, and the sweeper takes over */
async function recordAndAdvance(
  { db, clock, sleep, transports }: Delivery,
  token: string,
  settled: Settled[],
  { marks }: Plan,
  grant: string,
): Promise<Advanced | null> {
  const next = marks.map(({ mail: { id, failover }, transport }) => ({ id, transport, failover }));
  const turns = transports.flatMap(({ name, everyMs }) => {
    const mails = marks.filter(({ transport }) => transport === name).length;
    return everyMs === null || mails === 0 ? [] : [{ transport: name, mails, everyMs, grant }];
  });
  for (const delayMs of [...RECORD_RETRIES_MS, null]) {
    const now = clock();
    try {
      const advanced = await within(
        WRITE_TIMEOUT_MS,
        advance(db, token, settled, next, turns, now, now + LEASE_MS),
      );
      countTransaction("committed");
      return advanced;
    } catch (error) {
      log("error", "email.record_failed", {
        settled: settled.length,
        next: next.length,
        ...describeError(error),
      });
      if (delayMs !== null) await sleep(delayMs);
    }
  }
  countTransaction("unknown");
  return null;
}

/**
 * Rings for what is tried again and sends the dead to be buried. What cannot be sent now, the
 * sweeper sends.
 */
async function announce(delivery: Delivery, settled: Settled[]): Promise<void> {
  const again = settled.flatMap(({ id, generation, settlement }) =>
    settlement.status === "queued" || settlement.status === "pinned"
      ? [{ id, generation, dueAt: settlement.dueAt }]
      : [],
  );
  const dead = settled.flatMap((mail) =>
    mail.settlement.status === "dead" ? [{ body: buryFor(mail) }] : [],
  );
  // The next group is marked already: each second here is one of its lease.
  const buried = within(QUEUE_TIMEOUT_MS, sendAll(delivery.deadLetterQueue, dead)).catch(
    (error: unknown) =>
      log("warn", "email.burial_failed", { mails: dead.length, ...describeError(error) }),
  );
  await Promise.all([ring(delivery, again, delivery.clock()), buried]);
}
