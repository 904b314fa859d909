import { selectPastUsage } from "../../../shared/accounts/sql/usage-counters.ts";
import { findUsers } from "../../../shared/accounts/sql/users.ts";
import { recentNotices } from "../../../shared/alerts/sql/alerts.ts";
import { findAuditEntries } from "../../../shared/database/audit-log.ts";
import type { DeadLetterFilter } from "../../../shared/email/sql/dead-letter-filter.ts";
import { findDeadLetters, oldestDeadEmails } from "../../../shared/email/sql/dead-letters.ts";
import { findEmails } from "../../../shared/email/sql/emails.ts";
import { findSenders } from "../../../shared/email/sql/senders.ts";
import { findSuppressions } from "../../../shared/email/sql/suppressions.ts";
import { readHistory } from "../../../shared/schedule/sql/history.ts";
import { findRuns } from "../../../shared/schedule/sql/job-runs.ts";
import { findJobs } from "../../../shared/schedule/sql/jobs.ts";
import { findDeliveries } from "../../../shared/webhooks/sql/deliveries.ts";
import { findEndpoints } from "../../../shared/webhooks/sql/endpoints.ts";
import { LIMIT, own, type Cases, type Work } from "./cases.ts";

/** The statements of the lists of the API: by each filter. */

export type List = {
  operation: string;
  /** The filters that the index must have, each for equality. */
  by: string[];
  run: Work;
  /**
   * Filters that no index has: what they leave out is gone through, so there must be a bound on
   * that.
   */
  walks?: string[];
};

const to = own.address;
const tenant = `user:${own.user}`;

const ofEmails = [null, tenant].flatMap((owner) =>
  ([null, "unknown", "pinned", "dead"] as const).flatMap((status) =>
    [null, to].map((recipient): List => {
      const filter = { tenant: owner, status, to: recipient };
      return {
        operation: "listEmails",
        by: Object.entries(filter).flatMap(([name, value]) =>
          value === null ? [] : [name === "status" ? `status ${value}` : name],
        ),
        run: (db) => findEmails(db, { ...filter, before: null }, LIMIT),
      };
    }),
  ),
);

const ofUnsent = (["scheduled", "queued"] as const).map((status): List => ({
  operation: "listEmails",
  by: ["tenant", `status ${status}`],
  run: (db) => findEmails(db, { tenant, status, to: null, before: null }, LIMIT),
}));

/** By each set of filters. Of a recipient the newest dead emails are gone through. */
const ofLetters = [undefined, "email" as const, "poison" as const].flatMap((kind) =>
  [undefined, "permanent" as const].flatMap((reason) =>
    [undefined, tenant].flatMap((owner) =>
      [undefined, to].flatMap((recipient) =>
        [undefined, 1].flatMap((buriedBefore) =>
          lettersBy({ kind, reason, tenant: owner, to: recipient, buriedBefore }),
        ),
      ),
    ),
  ),
);

function lettersBy(filter: DeadLetterFilter): List[] {
  const isPoison = filter.kind === "poison";
  // No statement is made for what no dead letter is.
  if (isPoison && (filter.reason ?? filter.tenant) !== undefined) return [];
  const given = Object.keys(filter).filter((name) => filter[name as keyof typeof filter]);
  const walks = filter.to === undefined ? ["buriedBefore"] : given.filter((name) => name !== "to");
  const isEmail = (filter.reason ?? filter.tenant) !== undefined;
  const by = given.filter((name) => !walks.includes(name) && !(isEmail && name === "kind"));
  const list = [
    {
      operation: "listDeadLetters",
      by,
      walks,
      run: (db: D1Database) => findDeadLetters(db, filter, null, LIMIT),
    },
    {
      operation: "replayDeadLetters",
      by,
      walks,
      run: (db: D1Database) => oldestDeadEmails(db, filter, LIMIT),
    },
  ];
  return isPoison ? list.slice(0, 1) : list;
}

const ofUsage = (["day", "month"] as const).flatMap((by) =>
  [null, "calls"].flatMap((metric) =>
    [null, { period: "2026-11-24", metric: "calls" }].map((after): List => ({
      operation: "usageHistory",
      by: metric === null ? ["userId"] : ["userId", "metric"],
      run: (db) => selectPastUsage(db, own.user, { by, metric, after }, LIMIT).all(),
    })),
  ),
);

/** To add one: how its store is asked, and by what. */
export const lists: List[] = [
  ...ofEmails,
  ...ofUnsent,
  ...ofLetters,
  ...ofUsage,
  { operation: "listSuppressions", by: [], run: (db) => findSuppressions(db, null, null, LIMIT) },
  {
    operation: "listSuppressions",
    by: ["address"],
    run: (db) => findSuppressions(db, to, null, LIMIT),
  },
  { operation: "listSenders", by: [], run: (db) => findSenders(db, null, null, LIMIT) },
  {
    operation: "listSenders",
    by: ["tenant"],
    run: (db) => findSenders(db, tenant, { at: 1, id: "snd_1" }, LIMIT),
  },
  {
    operation: "listOwnSenders",
    by: ["tenant"],
    run: (db) => findSenders(db, tenant, null, LIMIT),
  },
  { operation: "listAudit", by: [], run: (db) => findAuditEntries(db, null, null, LIMIT) },
  { operation: "listAudit", by: ["actor"], run: (db) => findAuditEntries(db, "ops", null, LIMIT) },
  { operation: "listUsers", by: [], run: (db) => findUsers(db, null, LIMIT) },
  { operation: "scheduledTaskHistory", by: [], run: (db) => readHistory(db, null, LIMIT) },
  {
    operation: "listWebhookEndpoints",
    by: [],
    run: (db) => findEndpoints(db, null, null, LIMIT),
  },
  {
    operation: "listWebhookEndpoints",
    by: ["tenant"],
    run: (db) => findEndpoints(db, tenant, { at: 1, id: "we_1" }, LIMIT),
  },
  {
    operation: "listWebhookDeliveries",
    by: ["target"],
    run: (db) => findDeliveries(db, { target: own.endpoint, onlyDead: false }, null, LIMIT),
  },
  {
    operation: "listWebhookDeliveries",
    by: ["target", "status dead"],
    run: (db) => findDeliveries(db, { target: own.endpoint, onlyDead: true }, null, LIMIT),
  },
  { operation: "listJobs", by: [], run: (db) => findJobs(db, { at: 1, id: "job_1" }, LIMIT) },
  {
    operation: "listJobRuns",
    by: ["target"],
    run: (db) => findRuns(db, { jobId: own.job, onlyDead: false }, null, LIMIT),
  },
  {
    operation: "listJobRuns",
    by: ["target", "status dead"],
    run: (db) => findRuns(db, { jobId: own.job, onlyDead: true }, null, LIMIT),
  },
  { operation: "listAlerts", by: [], run: (db) => recentNotices(db, LIMIT) },
];

/** Lists that no statement of D1 is behind. */
export const listsElsewhere = new Set(["inspectTag", "circuitBreakerHistory"]);

/** Several lists of one operation by the same filters differ in what they walk or begin after. */
export const listCases: Cases = Object.fromEntries(
  lists.map(({ operation, by, run }, n) => [`${operation} by ${by.join(", ")} (${n})`, run]),
);
