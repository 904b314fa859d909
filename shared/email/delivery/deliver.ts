import { counters } from "../../telemetry/counters.ts";
import { notify } from "../outbox.ts";
import type { Claimed } from "../rules/claimed.ts";
import { planGroup, type Plan, type Waiting } from "../rules/plan.ts";
import { backlogKey, inTurns, laneOf } from "../rules/turns.ts";
import { reserveBacklog, type Crowd } from "../sql/backlogs.ts";
import type { Claim } from "../sql/claim.ts";
import type { EmailInHandOver, Marked } from "../sql/delivery.ts";
import type { Settled } from "../sql/settle.ts";
import type { GuardedTransport } from "../transports/transport.ts";
import { afterOutcome } from "./after-outcome.ts";
import { claimElsewhere } from "./claim-admitted.ts";
import { handOver } from "./hand-over.ts";
import { GROUP_SIZE } from "./lease.ts";
import { observeClaimed, observeSettled } from "./observe.ts";
import { candidatesOf, type Delivery, type Paced } from "./ports.ts";
import { sendFollowUps, recordAndMark } from "./record.ts";

/** Hands over what was claimed, after it has notified again of what is due later. */
export async function deliverClaim(
  delivery: Delivery,
  token: string,
  { claimed, early }: Claim,
): Promise<void> {
  observeClaimed(claimed, delivery.clock());
  await notify(delivery, early, delivery.clock());
  await deliverClaimed(delivery, token, claimed);
}

/**
 * Hands over the emails that `token` has claimed, a group at a time: one D1 batch records what
 * became of a group and marks the next. Only emails of the group in hand-over are `sending`, so a
 * crash leaves only those `unknown`; the lease of the others expires and they are queued again. An
 * email that its transport refused goes on to the next one with the next group.
 */
export async function deliverClaimed(
  delivery: Delivery,
  token: string,
  claimed: Claimed[],
): Promise<void> {
  const paced: Paced = new Map();
  let waiting: Waiting[] = inTurns(claimed).map((email) => ({ ...email, failover: null }));
  let settled: Settled[] = [];
  let lookedAt = delivery.clock();
  try {
    for (let round = 0; waiting.length > 0 || settled.length > 0; round += 1) {
      if (waiting.length > 0 && delivery.clock() - lookedAt >= LOOK_EVERY_MS) {
        waiting = await withElsewhere(delivery, token, waiting);
        lookedAt = delivery.clock();
      }
      const plan = planGroup({
        waiting,
        candidates: candidatesOf(delivery.transports, paced),
        size: GROUP_SIZE,
        hasLinks: delivery.unsubscribe !== null,
        now: delivery.clock(),
      });
      settled.push(...plan.putBack.map(putBackOf));
      const groupId = `${token}:${round}`;
      const { marks } = plan;
      const marked = await recordAndMark(delivery, { token, settled, marks, groupId });
      if (marked === null) return;
      observeSettled(settled);
      await sendFollowUps(delivery, settled);
      rememberPace(paced, marked, groupId);
      const { handOvers, missed } = matchMarks(delivery.transports, plan, marked);
      const missing = afterMissing(missed, paced);
      if (missing.again.length > 0)
        await stagger(delivery, [...missing.again, ...plan.rest], paced);
      closeUnused(delivery.transports, handOvers);
      const ended = await Promise.all(handOvers.map((one) => handOverOnTime(delivery, one)));
      waiting = [
        ...ended.flatMap((end) => ("failover" in end ? [end] : [])),
        ...missing.again,
        ...plan.rest,
      ];
      settled = [...ended.flatMap((end) => ("failover" in end ? [] : [end])), ...missing.settled];
    }
  } finally {
    for (const transport of delivery.transports) transport.close?.();
  }
}

/** How often a batch that goes on for longer looks for what waits behind it. */
const LOOK_EVERY_MS = 1_000;
/** So many emails wait for one consumer at most: their leases run. */
const MOST_WAITING = 100;

/** What is on its way to another transport goes first: it is in hand-over. */
async function withElsewhere(
  delivery: Delivery,
  token: string,
  waiting: readonly Waiting[],
): Promise<Waiting[]> {
  const more = await claimElsewhere(delivery, token, MOST_WAITING - waiting.length);
  if (more.length === 0) return [...waiting];
  observeClaimed(more, delivery.clock());
  const onItsWay = waiting.filter(({ failover }) => failover !== null);
  const others = waiting.filter(({ failover }) => failover === null);
  return [
    ...onItsWay,
    ...inTurns([...others, ...more.map((email) => ({ ...email, failover: null }))]),
  ];
}

function putBackOf({ email, settlement, detail }: Plan["putBack"][number]): Settled {
  return { id: email.id, generation: email.generation, settlement, detail, putBack: true };
}

/** A transport has capacity for this group if the last reservation is the group's own. */
function rememberPace(paced: Paced, { pace }: Marked, groupId: string): void {
  for (const { transport, freeAt, grantedTo } of pace) {
    if (grantedTo === groupId) paced.delete(transport);
    else paced.set(transport, { until: freeAt, lines: new Map() });
  }
}

/** `startsAt`: as the rate of the transport has it; in the past if it has none. */
type HandOver = {
  email: EmailInHandOver;
  waiting: Waiting;
  transport: GuardedTransport;
  startsAt: number;
};

/** Which of the planned marks were made, with the emails as D1 has them, and which were not. */
function matchMarks(
  transports: GuardedTransport[],
  { marks }: Plan,
  { emails, pace }: Marked,
): { handOvers: HandOver[]; missed: Plan["marks"] } {
  const byId = new Map(emails.map((email) => [email.id, email]));
  const slots = new Map(
    transports.map((transport) => {
      const { name, everyMs } = transport;
      const share = marks.filter((mark) => mark.transport === name).length * (everyMs ?? 0);
      const freeAt = pace.find((one) => one.transport === name)?.freeAt ?? 0;
      return [name, { transport, nextAt: freeAt - Math.ceil(share) }];
    }),
  );
  const missed: Plan["marks"] = [];
  const handOvers: HandOver[] = [];
  for (const mark of marks) {
    const email = byId.get(mark.email.id);
    const slot = slots.get(mark.transport);
    if (email === undefined) missed.push(mark);
    if (email === undefined || slot === undefined) continue;
    const { transport, nextAt } = slot;
    handOvers.push({ email, waiting: mark.email, transport, startsAt: nextAt });
    slot.nextAt += transport.everyMs ?? 0;
  }
  return { handOvers, missed };
}

/**
 * A claimed email whose transport had no capacity is planned again, now that its pace is known. One
 * that another transport refused becomes what it would be without this one. The others are no
 * longer held by this lease.
 */
function afterMissing(
  missed: Plan["marks"],
  paced: Readonly<Paced>,
): { again: Waiting[]; settled: Settled[] } {
  return {
    again: missed.flatMap(({ email, transport }) =>
      email.failover === null && paced.has(transport) ? [email] : [],
    ),
    settled: missed.flatMap(({ email: { id, generation, failover } }) =>
      failover === null
        ? []
        : [{ id, generation, settlement: failover.otherwise, detail: failover.refusal }],
    ),
  };
}

/**
 * Emails that find no capacity come back behind all others of their tenant that found none:
 * otherwise they would all come back together. If D1 does not answer, they do.
 */
async function stagger(
  { db, transports, clock }: Delivery,
  emails: readonly Waiting[],
  paced: Paced,
): Promise<void> {
  const crowds = crowdsOf(emails);
  for (const { name, everyMs } of transports) {
    const one = paced.get(name);
    if (one === undefined || everyMs === null) continue;
    const lines = await reserveBacklog(db, { transport: name, everyMs }, crowds, clock()).catch(
      () => [],
    );
    const byKey = new Map(
      lines.map(({ lane, tenant, ...line }) => [`${lane} ${tenant}`, line] as const),
    );
    paced.set(name, { ...one, lines: byKey });
  }
}

function crowdsOf(emails: readonly Waiting[]): Crowd[] {
  const crowds = new Map<string, Crowd>();
  for (const email of emails) {
    const key = backlogKey(email);
    const { tenant, category } = email;
    const crowd = crowds.get(key) ?? { lane: laneOf(category), tenant, emails: 0 };
    crowds.set(key, { ...crowd, emails: crowd.emails + 1 });
  }
  return [...crowds.values()];
}

/**
 * A Worker may have six connections at once: those that wait for the next email of one transport
 * must not keep them from another.
 */
function closeUnused(transports: GuardedTransport[], handOvers: HandOver[]): void {
  for (const transport of transports)
    if (!handOvers.some((one) => one.transport === transport)) transport.close?.();
}

/** @returns what became of the email, or the email on its way to another transport */
async function handOverOnTime(
  delivery: Delivery,
  { email, waiting, transport, startsAt }: HandOver,
): Promise<Settled | Waiting> {
  const { clock, sleep } = delivery;
  const aheadMs = startsAt - clock();
  if (transport.everyMs !== null && aheadMs > 0) await sleep(aheadMs);
  const outcome = await handOver(transport, email, delivery, clock());
  counters.count("luna_email_attempts_total", { transport: transport.name, outcome: outcome.kind });
  return afterOutcome(delivery, waiting, email, outcome);
}
