import { MAX_EXAMINED } from "../../../shared/email/rules/search.ts";
import { functionOf, LIMIT } from "./cases.ts";

/** How many more rows a statement may read among many rows than without them. */

/** A page with the index entries and the look-ups of each row that it shows or deletes. */
const PAGE_ROWS = 15 * LIMIT;
/** `COUNTED_UP_TO` and one more. */
const COUNT_ROWS = 1_001;

/**
 * `of`: the functions, or their variants. `rows`: at most so many more, of `stored` emails.
 * `bound`: what bounds them.
 */
type Allowance = { of: string[]; rows: (stored: number) => number; bound: string };

const allowances: Allowance[] = [
  {
    of: ["claimedBy", "expiredLeases", "noteRateAnswer"],
    rows: () => 300,
    bound: "what is handed over at the moment: 100 emails here",
  },
  {
    of: ["waitingElsewhere"],
    rows: () => 14 * 5 * 3,
    bound: "14 tenants with 5 emails each, which one batch looks at",
  },
  { of: ["emailBacklog"], rows: () => 9 * COUNT_ROWS, bound: "seven counts, two of them twice" },
  { of: ["countPurges"], rows: () => COUNT_ROWS, bound: "one count" },
  { of: ["readFacts"], rows: () => 4 * COUNT_ROWS, bound: "three counts" },
  {
    of: ["readDay"],
    rows: () => 2 * 10_000 + 3 * COUNT_ROWS + 4 * 4_000,
    bound: "10,000 emails, three counts, and the runs of one day, which the schedules bound",
  },
  {
    of: ["listDeadLetters by to", "replayDeadLetters by to", "oldestWithCause"],
    rows: () => 4 * 1_000,
    bound: "the newest 1,000 dead emails of a recipient, with their letters",
  },
  {
    of: ["listEmails, examining"],
    rows: () => 5 * MAX_EXAMINED,
    bound: "1,000 entries of an index, each counted, with its email and the tags of that",
  },
  {
    of: ["unreportedUsage", "countUnreported"],
    rows: (stored) => 3 * stored,
    bound: "users without usage, once per week: 2,000 in each statement that finds reports",
  },
];

/** @param name of a case: the function, with its variant */
export function allowedRows(name: string): (stored: number) => number {
  return allowanceOf(name)?.rows ?? (() => PAGE_ROWS);
}

/** Whether a case has a cap of its own, which it may not reach among few emails. */
export const hasCap = (name: string): boolean => allowanceOf(name) !== undefined;

function allowanceOf(name: string): Allowance | undefined {
  const isOf = (one: string): boolean => one === functionOf(name) || name.startsWith(`${one} (`);
  return allowances.find(({ of }) => of.some(isOf));
}
