import type { DatabaseSync } from "node:sqlite";
import type { Delivered } from "../../test/support/sink.ts";
import type { Accepted } from "./emails.ts";
import { copyRecipient, numberOf, type Fate } from "./mail-server.ts";
import { partsOfSignUp, usageOf, type EmailRow } from "./store.ts";
import type { Tally } from "./users.ts";

/** Compares what users and the sender were answered with D1 and with the mail server. */

export type Transactions = {
  tried: number;
  confirmed: number;
  refused: number;
  unknown: number;
  wrong: string[];
};

const WHOLE = 4;

/** A sign-up that was confirmed must be whole, one that was refused must be absent. */
export function judgeTransactions(db: DatabaseSync, { signUps, usage }: Tally): Transactions {
  const wrong = signUps.flatMap(({ userId, address, outcome }) => {
    const parts = partsOfSignUp(db, userId, address);
    if (parts !== 0 && parts !== WHOLE) return [`${userId}: ${parts} of ${WHOLE} parts exist`];
    if (outcome === "confirmed" && parts === 0) return [`${userId}: confirmed and absent`];
    return outcome === "refused" && parts === WHOLE ? [`${userId}: refused and present`] : [];
  });
  for (const [userId, { confirmed, unknown }] of usage) {
    const amount = usageOf(db, userId);
    if (amount < confirmed || amount > confirmed + unknown)
      wrong.push(`${userId}: usage ${amount}, confirmed ${confirmed}, unknown ${unknown}`);
  }
  const having = (outcome: string): number =>
    signUps.filter((one) => one.outcome === outcome).length;
  const counted = [...usage.values()];
  const confirmed = having("confirmed") + total(counted.map((one) => one.confirmed));
  const unknown = having("unknown") + total(counted.map((one) => one.unknown));
  const refused = having("refused");
  return { tried: confirmed + unknown + refused, confirmed, refused, unknown, wrong };
}

type Evidence = { accepted: Accepted[]; rows: EmailRow[]; delivered: Delivered[]; fates: Fate[] };

export type EmailVerdict = {
  lost: string[];
  twice: string[];
  /** Not sent, and neither refused for good nor held as unknown. */
  undelivered: string[];
  /** What D1 has and the mail server contradicts. */
  untrue: string[];
  all: number;
  delivered: number;
  replayedAndDelivered: number;
  dead: number;
  unknownWithCopy: number;
  unknownWithoutCopy: number;
  /** Of the unknown: those whose lease expired, because a SIGKILL cut off their delivery. */
  cutOff: number;
  /** From the accepting answer to the mail server, without replays; ascending, in ms. */
  waits: number[];
};

export function judgeEmails({ accepted, rows, delivered, fates }: Evidence): EmailVerdict {
  const ids = new Set(rows.map(({ id }) => id));
  const toEach = delivered.flatMap(({ to, ...one }) =>
    to.split(",").map((recipient) => ({ ...one, recipient })),
  );
  const copiesOf = countEach(toEach.map(({ recipient }) => recipient));
  const acceptedAt = new Map(accepted.map(({ id, at }) => [id, at]));
  const copies = ({ to }: EmailRow): number => copiesOf.get(to) ?? 0;
  const fateOf = ({ to }: EmailRow): Fate["kind"] => fates[numberOf(to)]?.kind ?? "fine";
  const having = (status: string): EmailRow[] => rows.filter((row) => row.status === status);
  const [sent, dead, unknown] = [having("sent"), having("dead"), having("unknown")];
  const permanent = dead.filter((row) => row.reason === "permanent" && fateOf(row) === "permanent");
  const settled = new Set([...sent, ...permanent, ...unknown]);
  return {
    lost: [
      ...accepted.filter(({ id }) => !ids.has(id)).map(({ id }) => `${id}: not in D1`),
      ...sent.filter((row) => copies(row) === 0).map(({ id }) => `${id}: sent, and without a copy`),
      ...[...sent, ...permanent]
        .map(({ id, to }) => ({ id, cc: copyRecipient(numberOf(to)) }))
        .filter(({ cc }) => cc !== null && !copiesOf.has(cc))
        .map(({ id }) => `${id}: over, and its second recipient has no copy`),
    ],
    twice: [
      ...repeated(copiesOf).map((to) => `${to}: several copies`),
      ...repeated(
        countEach(
          toEach.map(({ id, generation, recipient }) => `${id}:${generation} ${recipient}`),
        ),
      ).map((attempt) => `${attempt}: several copies of one generation`),
      ...repeated(countEach(rows.map(({ to }) => to))).map((to) => `${to}: several emails in D1`),
    ],
    undelivered: rows
      .filter((row) => !settled.has(row))
      .map((row) => `${row.id}: ${row.status} ${row.reason ?? ""} (${fateOf(row)})`),
    untrue: [
      ...dead.filter((row) => copies(row) > 0).map(({ id }) => `${id}: dead, and delivered`),
      ...sent
        .filter((row) => fateOf(row) === "permanent")
        .map(({ id }) => `${id}: sent, and refused for good`),
    ],
    all: rows.length,
    delivered: sent.filter((row) => copies(row) === 1).length,
    replayedAndDelivered: sent.filter((row) => row.generation > 1).length,
    dead: permanent.length,
    unknownWithCopy: unknown.filter((row) => copies(row) > 0).length,
    unknownWithoutCopy: unknown.filter((row) => copies(row) === 0).length,
    cutOff: unknown.filter((row) => row.lastPhase === "lease").length,
    waits: delivered
      .filter(({ id, generation }) => generation === 1 && acceptedAt.has(id))
      .map(({ id, at }) => at - (acceptedAt.get(id) ?? at))
      .toSorted((a, b) => a - b),
  };
}

const total = (values: number[]): number => values.reduce((sum, value) => sum + value, 0);

function countEach(names: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

const repeated = (counts: Map<string, number>): string[] =>
  [...counts].filter(([, copies]) => copies > 1).map(([name]) => name);
