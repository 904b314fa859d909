import type { KilledLuna } from "./killed-luna.ts";
import { BREAKER_OF_D1 } from "./outages.ts";
import type { Tally } from "./users.ts";
import type { EmailVerdict, Transactions } from "./verdict.ts";

/** The rows of the result table. */

/** `holds` is absent where nothing is required. */
export type Row = { name: string; required?: string; measured: string; holds?: boolean };
export type CacheReads = { hits: number; reads: number };

/** In these outages no read can be answered from the cache of a running Luna without D1. */
const WITHOUT_READS = new Set(["D1", "Luna (SIGKILL)"]);

export const none = (name: string, { length }: string[]): Row => ({
  name,
  required: "0",
  measured: String(length),
  holds: length === 0,
});

/** `over` excludes its bound, `least` includes it. */
type Bound = { over: number } | { least: number };

function share(name: string, part: number, whole: number, bound: Bound): Row {
  const ratio = part / whole;
  const isOver = "over" in bound;
  return {
    name,
    required: isOver ? `> ${bound.over * 100} %` : `${bound.least * 100} %`,
    measured: percent(part, whole),
    holds: isOver ? ratio > bound.over : ratio >= bound.least,
  };
}

/** How far the users' part of the run held the success criteria. */
export function userRows(evidence: {
  tally: Tally;
  transactions: Transactions;
  runs: Record<string, number>;
  verdict: EmailVerdict;
  cache: { atHalf: CacheReads; atEnd: CacheReads };
  uncaught: number;
}): Row[] {
  const { tally, transactions, runs, verdict, cache, uncaught } = evidence;
  const unaided = verdict.delivered - verdict.replayedAndDelivered;
  const { sent, answered } = readsExcept(tally, new Set([...WITHOUT_READS, BREAKER_OF_D1]));
  const more = readsExcept(tally, WITHOUT_READS);
  const { tried, wrong, confirmed, refused, unknown } = transactions;
  const { success = 0, failure = 0 } = runs;
  const { atHalf, atEnd } = cache;
  const [hits, lookups] = [atEnd.hits - atHalf.hits, atEnd.reads - atHalf.reads];
  return [
    share("cache availability: reads while D1 and Luna are up", answered, sent, { least: 0.999 }),
    {
      name: "  and until the breaker of D1 is closed",
      measured: percent(more.answered, more.sent),
    },
    share("transactions: all or nothing, and as answered", tried - wrong.length, tried, {
      least: 1,
    }),
    { name: "  confirmed, refused, unknown", measured: `${confirmed}, ${refused}, ${unknown}` },
    share("task completion", success, success + failure, { least: 0.99 }),
    share("delivered without a replay, of all emails", unaided, verdict.all, { over: 0.98 }),
    share("cache hit rate, second half", hits, lookups, { least: 0.85 }),
    { name: "  whole run, which begins cold", measured: percent(atEnd.hits, atEnd.reads) },
    { name: "uncaught exceptions", required: "0", measured: `${uncaught}`, holds: uncaught === 0 },
    { name: "slowest answer to a user", measured: seconds(tally.slowestMs) },
  ];
}

function readsExcept(
  { reads }: Tally,
  outages: ReadonlySet<string>,
): { sent: number; answered: number } {
  const counts = [...reads].flatMap(([outage, count]) => (outages.has(outage) ? [] : [count]));
  return {
    sent: counts.reduce((total, { sent }) => total + sent, 0),
    answered: counts.reduce((total, { answered }) => total + answered, 0),
  };
}

export function readsByOutage({ reads }: Tally): string[][] {
  return [...reads].map(([outage, { sent, answered }]) => [
    outage,
    String(sent),
    percent(answered, sent),
  ]);
}

export function emailRows(verdict: EmailVerdict, replayed: number): Row[] {
  const { all, delivered, replayedAndDelivered, waits } = verdict;
  const unknown = `${verdict.unknownWithCopy}, ${verdict.unknownWithoutCopy}`;
  return [
    none("emails lost", verdict.lost),
    none("emails delivered twice", verdict.twice),
    none("deliverable and not delivered", verdict.undelivered),
    none("contradictions of D1 and the mail server", verdict.untrue),
    { name: "delivered, of all emails", measured: `${delivered} of ${all}` },
    { name: "  after a replay", measured: `${replayedAndDelivered} of ${replayed}` },
    { name: "dead, refused for good", measured: String(verdict.dead) },
    { name: "held as unknown, with and without a copy", measured: unknown },
    { name: "  cut off by a SIGKILL", measured: String(verdict.cutOff) },
    {
      name: "accepted to delivered: median, 99 %, longest",
      measured: [0.5, 0.99, 1].map((part) => seconds(quantile(waits, part))).join(", "),
    },
  ];
}

export function killRows({ kills }: KilledLuna): Row[] {
  const down = kills.map(({ at, readyAt }) => readyAt - at).toSorted((a, b) => a - b);
  const measured = `${seconds(quantile(down, 0.5))}, ${seconds(down.at(-1) ?? 0)}`;
  return [
    { name: "SIGKILLs", measured: String(kills.length) },
    { name: "  down: median, longest", measured },
  ];
}

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const percent = (part: number, whole: number): string =>
  whole === 0 ? "–" : `${((100 * part) / whole).toFixed(2)} %`;
export const quantile = (ascending: number[], part: number): number =>
  ascending[Math.ceil(ascending.length * part) - 1] ?? 0;
