import { LIMIT } from "./cases.ts";

/** How many more rows a statement may read among many rows than without them. */

/** A page with the index entries and the look-ups of each row that it shows or deletes. */
const PAGE_ROWS = 12 * LIMIT;
/** `COUNTED_UP_TO` and one more. */
const COUNT_ROWS = 1_001;

/**
 * `of`: the functions. `rows`: at most so many more; of `stored` rows in each table. `bound`: what
 * bounds them.
 */
type Allowance = { of: string[]; rows: (stored: number) => number; bound: string };

const allowances: Allowance[] = [
  {
    of: ["claimedBy", "expiredLeases"],
    rows: () => 300,
    bound: "what is handed over at the moment: 100 emails here",
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
    of: ["listDeadLetters", "replayDeadLetters"],
    rows: (stored) => 2 * stored,
    bound: "by a filter other than the recipient: the dead letters of DLQ_RETENTION_DAYS",
  },
  {
    of: ["unreportedUsage", "countUnreported"],
    rows: (stored) => 3 * stored,
    bound: "users without usage, once per week: 2,000 in each statement that finds reports",
  },
];

export function allowedRows(name: string, stored: number): number {
  return allowances.find(({ of }) => of.includes(name))?.rows(stored) ?? PAGE_ROWS;
}
