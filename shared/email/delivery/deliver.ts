import { counters } from "../../telemetry/counters.ts";
import { notify } from "../notify.ts";
import type { Claimed } from "../rules/claimed.ts";
import { rateAnswersOf, type RateAnswer } from "../rules/pace.ts";
import { planGroup, type Plan, type Waiting } from "../rules/plan.ts";
import type { TransportName } from "../rules/transports.ts";
import { backlogKey, inTurns, laneOf } from "../rules/turns.ts";
import { reserveBacklog, type Crowd } from "../sql/backlogs.ts";
import type { Claim } from "../sql/claim.ts";
import type { EmailInHandOver } from "../sql/delivery.ts";
import type { Pace } from "../sql/pace.ts";
import type { Settled } from "../sql/settle.ts";
import type { GuardedTransport } from "../transports/transport.ts";
import { afterOutcome, type EndedHandOver } from "./after-outcome.ts";
import { claimElsewhere } from "./claim-admitted.ts";
import { FilesInHand } from "./files.ts";
import { handOver } from "./hand-over.ts";
import { GROUP_SIZE } from "./lease.ts";
import { observeClaimed, observeSettled } from "./observe.ts";
import { candidatesOf, knownPace, paceOf, type Delivery, type Paced } from "./ports.ts";
import { sendFollowUps, recordAndMark, type MarkedGroup } from "./record.ts";

/** Hands over what was claimed, after it has notified again of what is due later. */
export async function deliverClaim(
  delivery: Delivery,
  token: string,
  { claimed, early, pace }: Claim,
): Promise<void> {
  observeClaimed(claimed, delivery.clock());
  await notify(delivery, early, delivery.clock());
  await deliverClaimed(delivery, token, claimed, pace);
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
  pace: readonly Pace[] = [],
): Promise<void> {
  const { transports } = delivery;
  const paced = knownPace(transports, pace);
  const files = new FilesInHand(delivery);
  let waiting: Waiting[] = inTurns(claimed).map((email) => ({ ...email, failover: null }));
  let settled: Settled[] = [];
  let answers: RateAnswer[] = [];
  let lookedAt = delivery.clock();
  try {
    for (let round = 0; waiting.length > 0 || settled.length > 0; round += 1) {
      if (waiting.length > 0 && delivery.clock() - lookedAt >= LOOK_EVERY_MS) {
        waiting = await withElsewhere(delivery, token, waiting);
        lookedAt = delivery.clock();
      }
      const plan = planGroup({
        waiting,
        candidates: candidatesOf(transports, paced, delivery.clock()),
        size: GROUP_SIZE,
        hasLinks: delivery.unsubscribe !== null,
        now: delivery.clock(),
      });
      const groupId = `${token}:${round}`;
      // An outcome that is known does not wait for R2.
      if (settled.length > 0 && files.needsReading(plan.marks)) {
        const early = { token, settled, answers, marks: [], groupId: `${groupId}:files`, paced };
        if ((await recordAndMark(delivery, early)) === null) return;
        observeSettled(settled);
        await sendFollowUps(delivery, settled);
        [settled, answers] = [[], []];
      }
      const { marks, settled: withoutFiles } = await files.read(plan.marks);
      settled.push(...plan.putBack.map(putBackOf), ...withoutFiles);
      const group = { token, settled, answers, marks, groupId, paced };
      const marked = await recordAndMark(delivery, group);
      if (marked === null) return;
      observeSettled(settled);
      await sendFollowUps(delivery, settled);
      const refusing = rememberPace(paced, transports, marked, groupId);
      const { handOvers, missed } = matchMarks(transports, marks, marked, paced);
      const missing = afterMissing(missed, refusing);
      if (missing.again.length > 0)
        await stagger(delivery, [...missing.again, ...plan.rest], paced);
      closeUnused(transports, handOvers);
      const ended = await Promise.all(handOvers.map((one) => handOverOnTime(delivery, one, files)));
      answers = rateAnswersOf(ended, delivery.waitLimits, delivery.clock());
      rememberClosed(paced, transports, answers);
      const after = ended.map((one) => afterOutcome(delivery, one, paced));
      const onTheirWay = after.flatMap((end) => ("failover" in end ? [end] : []));
      files.keep(onTheirWay);
      waiting = [...onTheirWay, ...missing.again, ...plan.rest];
      settled = [...after.flatMap((end) => ("failover" in end ? [] : [end])), ...missing.settled];
    }
  } finally {
    files.keep([]);
    for (const transport of transports) transport.close?.();
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
  // One whose claim had run out may be claimed again.
  const again = new Set(more.map(({ id }) => id));
  const others = waiting.filter(({ id, failover }) => failover === null && !again.has(id));
  return [
    ...onItsWay,
    ...inTurns([...others, ...more.map((email) => ({ ...email, failover: null }))]),
  ];
}

function putBackOf({ email, settlement, detail }: Plan["putBack"][number]): Settled {
  return { id: email.id, generation: email.generation, settlement, detail, putBack: true };
}

/**
 * Remembers the pace of the transports as D1 had it after it marked a group.
 *
 * @returns those that took none of the group: they are closed, or had no capacity
 */
function rememberPace(
  paced: Paced,
  transports: readonly GuardedTransport[],
  { pace, reserved, at }: MarkedGroup,
  groupId: string,
): Set<TransportName> {
  const refusing = new Set<TransportName>();
  for (const [name, known] of knownPace(transports, pace, paced)) {
    const row = pace.find(({ transport }) => transport === name);
    if (row === undefined) continue;
    const granted = reserved.includes(name) ? row.grantedTo === groupId : known.everyMs === null;
    if (!granted || known.closedUntil > at) refusing.add(name);
    const until = reserved.includes(name) && !granted ? row.freeAt : 0;
    paced.set(name, { ...known, until, lines: new Map() });
  }
  return refusing;
}

/** D1 has it with the next group; the emails of this one go to other transports at once. */
function rememberClosed(
  paced: Paced,
  transports: readonly GuardedTransport[],
  answers: readonly RateAnswer[],
): void {
  for (const { transport: name, closedUntil } of answers) {
    const transport = transports.find((one) => one.name === name);
    if (transport !== undefined && closedUntil !== null)
      paced.set(name, { ...paceOf(transport, paced), closedUntil });
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
  marks: Plan["marks"],
  { emails, pace }: MarkedGroup,
  paced: Readonly<Paced>,
): { handOvers: HandOver[]; missed: Plan["marks"] } {
  const byId = new Map(emails.map((email) => [email.id, email]));
  const slots = new Map(
    transports.map((transport) => {
      const { name } = transport;
      const { everyMs } = paceOf(transport, paced);
      if (everyMs === null) return [name, { transport, nextAt: 0, everyMs: 0 }];
      const share = marks.filter((mark) => mark.transport === name).length * everyMs;
      const freeAt = pace.find((one) => one.transport === name)?.freeAt ?? 0;
      return [name, { transport, nextAt: freeAt - Math.ceil(share), everyMs }];
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
    slot.nextAt += slot.everyMs;
  }
  return { handOvers, missed };
}

/**
 * A claimed email whose transport took none is planned again, now that its pace is known. One
 * that another transport refused becomes what it would be without this one. The others are no
 * longer held by this lease.
 */
function afterMissing(
  missed: Plan["marks"],
  refusing: ReadonlySet<TransportName>,
): { again: Waiting[]; settled: Settled[] } {
  return {
    again: missed.flatMap(({ email, transport }) =>
      email.failover === null && refusing.has(transport) ? [email] : [],
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
  for (const transport of transports) {
    const { name } = transport;
    const one = paceOf(transport, paced);
    const { everyMs, until } = one;
    if (everyMs === null || until === 0) continue;
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

/** @returns how it ended. `beganAt`: when it began, after it had waited for its turn */
async function handOverOnTime(
  delivery: Delivery,
  { email, waiting, transport, startsAt }: HandOver,
  files: FilesInHand,
): Promise<EndedHandOver & { transport: TransportName; beganAt: number }> {
  const { clock, sleep } = delivery;
  const aheadMs = startsAt - clock();
  if (aheadMs > 0) await sleep(aheadMs);
  const beganAt = clock();
  const given = { ...delivery, files: files.of(email.id) };
  const outcome = await handOver(transport, email, given, beganAt);
  counters.count("luna_email_attempts_total", { transport: transport.name, outcome: outcome.kind });
  return { email, waiting, transport: transport.name, beganAt, outcome };
}
