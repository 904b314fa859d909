import type { DatabaseSync } from "node:sqlite";
import type { Delivered } from "../../test/support/sink.ts";
import type { Accepted } from "./drive.ts";
import { numberOf, type Fate } from "./plan.ts";

/** What became of every mail: D1's word against what the mail server kept. */

type Row = {
  id: string;
  to: string;
  status: string;
  reason: string | null;
  generation: number;
  lastPhase: string | null;
};

export type Evidence = { accepted: Accepted[]; rows: Row[]; delivered: Delivered[]; fates: Fate[] };

export type Verdict = {
  lost: string[];
  twice: string[];
  /** Neither permanent nor held, and all the same not sent. */
  undelivered: string[];
  /** What D1 says that the mail server contradicts. */
  untrue: string[];
  delivered: number;
  dead: number;
  unknownWithCopy: number;
  unknownWithoutCopy: number;
  /** Of the unknown: those whose lease ran out, because a kill cut their hand-over off. */
  cutOff: number;
  replayedAndDelivered: number;
  /**
   * From the answer of the accept to the mail server, ascending; ms. Those that were replayed
   * waited for an operator, too.
   */
  waits: { unaided: number[]; replayed: number[] };
};

export function readRows(database: DatabaseSync): Row[] {
  const sql = `SELECT id, to_address AS "to", status, dead_reason AS reason, generation, last_error ->> 'phase' AS lastPhase FROM emails`;
  return database.prepare(sql).all() as Row[];
}

export function judge({ accepted, rows, delivered, fates }: Evidence): Verdict {
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  const copiesOf = count(delivered.map(({ to }) => to));
  const attemptsKept = count(delivered.map(({ id, generation }) => `${id}:${generation}`));
  const rowsOf = count(rows.map(({ to }) => to));
  const acceptedAt = new Map(accepted.map(({ id, at }) => [id, at]));
  const waitsOf = (mails: Delivered[]): number[] =>
    mails.map(({ id, at }) => at - (acceptedAt.get(id) ?? at)).toSorted((a, b) => a - b);
  const copies = ({ to }: Row): number => copiesOf.get(to) ?? 0;
  const fateOf = ({ to }: Row): Fate["kind"] => fates[numberOf(to)]?.kind ?? "fine";
  const having = (status: string): Row[] => rows.filter((row) => row.status === status);
  const [sent, dead, unknown] = [having("sent"), having("dead"), having("unknown")];
  const permanent = dead.filter((row) => row.reason === "permanent" && fateOf(row) === "permanent");
  const settled = new Set([...sent, ...permanent, ...unknown]);

  return {
    // Also one that is gone from D1, or that D1 calls sent and nobody has.
    lost: [
      ...accepted
        .filter(({ id }) => !rowOf.has(id))
        .map(({ id }) => `${id}: accepted, and not in D1`),
      ...sent.filter((row) => copies(row) === 0).map(({ id }) => `${id}: sent, and without a copy`),
    ],
    twice: [
      ...over(copiesOf).map((to) => `${to}: several copies`),
      ...over(attemptsKept).map((attempt) => `${attempt}: several copies of one generation`),
      ...over(rowsOf).map((to) => `${to}: accepted as several mails`),
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
    delivered: sent.filter((row) => copies(row) === 1).length,
    dead: permanent.length,
    unknownWithCopy: unknown.filter((row) => copies(row) > 0).length,
    unknownWithoutCopy: unknown.filter((row) => copies(row) === 0).length,
    cutOff: unknown.filter((row) => row.lastPhase === "lease").length,
    replayedAndDelivered: sent.filter((row) => row.generation > 1).length,
    waits: {
      unaided: waitsOf(delivered.filter(({ generation }) => generation === 1)),
      replayed: waitsOf(delivered.filter(({ generation }) => generation > 1)),
    },
  };
}

function count(names: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

const over = (counts: Map<string, number>): string[] =>
  [...counts].filter(([, copies]) => copies > 1).map(([name]) => name);
