import { describe, expect, it } from "vitest";
import { SqliteD1 } from "../../test/support/sqlite.ts";
import { selectPastUsage } from "../accounts/sql/usage-counters.ts";
import { listUsers } from "../accounts/sql/users.ts";
import { recentNotices } from "../alerts/sql/alerts.ts";
import { listAudit } from "../audit/audit-log.ts";
import { operations } from "../contract/operations.ts";
import {
  listDeadLetters,
  oldestDeadEmails,
  type DeadLetterFilter,
} from "../email/sql/dead-letters.ts";
import { listEmails } from "../email/sql/emails.ts";
import { listSuppressions } from "../email/sql/suppressions.ts";
import { readHistory } from "../schedule/sql/history.ts";

/**
 * A list costs what it shows, however much is stored: each statement of every list walks an index
 * that has all of the list's filters, in the order that it shows. This is read from the plans that
 * SQLite makes on the schema of the migrations.
 */

type List = {
  operation: string;
  /** The filters that the index must have, each for equality. */
  by: string[];
  run: (db: D1Database) => Promise<unknown>;
  /**
   * Filters that no index has: what they leave out is gone through, so there must be a bound on
   * that.
   */
  walks?: string[];
  /** Steps of the plan that would be wrong elsewhere. */
  allowed?: string[];
};

const LIMIT = 21;
const SORT = "USE TEMP B-TREE FOR ORDER BY";
const to = "ada@example.com";

const ofEmails = [null, "user:ada"].flatMap((tenant) =>
  ([null, "unknown", "pinned", "dead"] as const).flatMap((status) =>
    [null, to].map((recipient): List => {
      const filter = { tenant, status, to: recipient };
      return {
        operation: "listEmails",
        by: Object.entries(filter).flatMap(([name, value]) =>
          value === null ? [] : [name === "status" ? `status ${value}` : name],
        ),
        run: (db) => listEmails(db, { ...filter, before: null }, LIMIT),
      };
    }),
  ),
);

// Dead letters are kept for DLQ_RETENTION_DAYS: to go through them is bounded.
const ofLetters = (
  [
    [{}, []],
    [{ kind: "email", reason: "permanent", tenant: "user:ada", buriedBefore: 1 }, []],
    [{ to }, ["to"]],
    [{ to, kind: "email", reason: "permanent", tenant: "user:ada", buriedBefore: 1 }, ["to"]],
  ] satisfies [DeadLetterFilter, string[]][]
).flatMap(([filter, by]): List[] => {
  const walks = Object.keys(filter).filter((name) => name !== "to");
  // What is sorted are the dead letters of one recipient.
  const allowed = by.length > 0 ? [SORT] : [];
  // From the oldest on: there is no cursor to begin at.
  const fromTheOldest = ["SCAN d USING INDEX dead_letters_by_age", ...allowed];
  return [
    {
      operation: "listDeadLetters",
      by,
      walks,
      allowed,
      run: (db) => listDeadLetters(db, filter, null, LIMIT),
    },
    {
      operation: "replayDeadLetters",
      by,
      walks,
      allowed: fromTheOldest,
      run: (db) => oldestDeadEmails(db, filter, LIMIT),
    },
  ];
});

const ofUsage = (["day", "month"] as const).flatMap((by) =>
  [null, "calls"].map((metric): List => ({
    operation: "usageHistory",
    by: metric === null ? ["userId"] : ["userId", "metric"],
    run: (db) => selectPastUsage(db, "ada", { by, metric }, LIMIT).all(),
  })),
);

/** To add one: how its store is asked, and by what. */
const lists: List[] = [
  ...ofEmails,
  ...ofLetters,
  ...ofUsage,
  { operation: "listSuppressions", by: [], run: (db) => listSuppressions(db, null, null, LIMIT) },
  // An address has one row per scope.
  {
    operation: "listSuppressions",
    by: ["address"],
    run: (db) => listSuppressions(db, to, null, LIMIT),
    allowed: [SORT],
  },
  { operation: "listAudit", by: [], run: (db) => listAudit(db, null, null, LIMIT) },
  {
    operation: "listAudit",
    by: ["actor"],
    run: (db) => listAudit(db, "ops@example.com", null, LIMIT),
  },
  { operation: "listUsers", by: [], run: (db) => listUsers(db, null, LIMIT) },
  {
    operation: "scheduledTaskHistory",
    by: [],
    run: (db) => readHistory(db, null, LIMIT),
    // It counts the executions of the 30 days that are kept, and sorts the runs of those that it
    // shows.
    allowed: ["SCAN task_executions", SORT],
  },
  {
    operation: "listAlerts",
    by: [],
    run: (db) => recentNotices(db, LIMIT),
    allowed: ["SCAN alert_notices USING INDEX alert_notices_by_age"],
  },
];

/** Lists that no statement of D1 is behind. */
const elsewhere = new Set(["inspectTag", "circuitBreakerHistory"]);

const d1 = new SqliteD1();

/**
 * How many filters a step finds by its index: columns that are compared, and one that a partial
 * index is limited to.
 */
function filtersServed(step: string): number {
  const [, index = ""] = /USING (?:COVERING )?INDEX (\w+)/.exec(step) ?? [];
  const [{ sql } = { sql: null }] = d1.rows<{ sql: string | null }>(
    "SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?",
    index,
  );
  return [...step.matchAll(/=\?/g)].length + (/ WHERE \w+ = '/.test(sql ?? "") ? 1 : 0);
}

describe.each(lists)("the statements of $operation by $by", ({ by, run, allowed = [] }) => {
  it("read only what the list shows, in its order", async () => {
    const plans = await d1.plans(run);
    const wrong = plans
      .flat()
      .filter((step) => /^SCAN (?!\w+ VIRTUAL|CONSTANT)/.test(step) || step === SORT);
    expect(wrong.filter((step) => !allowed.includes(step))).toEqual([]);
    const first = plans[0]?.[0] ?? "";
    expect(filtersServed(first), first).toBeGreaterThanOrEqual(by.length);
  });
});

it("every list of the API is looked at here, by each of its filters", () => {
  const unseen = operations
    .filter(({ id }) => !elsewhere.has(id))
    .flatMap(({ id, query }) => {
      const filters =
        query !== undefined && "entries" in query ? Object.keys(query.entries as object) : [];
      if (!filters.includes("limit")) return [];
      const ofThis = lists.filter(({ operation }) => operation === id);
      const seen = new Set(
        ofThis.flatMap(({ by, walks = [] }) => [
          "",
          ...walks,
          ...by.map((name) => name.split(" ")[0]),
        ]),
      );
      const wanted = ["", ...filters.filter((name) => !["limit", "cursor", "by"].includes(name))];
      return wanted.filter((name) => !seen.has(name)).map((name) => `${id} ${name}`);
    });
  expect(unseen).toEqual([]);
});
