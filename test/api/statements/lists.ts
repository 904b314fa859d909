import { findKeys } from "../../../shared/accounts/sql/api-keys.ts";
import { findInvitations } from "../../../shared/accounts/sql/invitations.ts";
import { selectPastUsage } from "../../../shared/accounts/sql/usage-counters.ts";
import { findUsers } from "../../../shared/accounts/sql/user-lists.ts";
import { recentNotices } from "../../../shared/alerts/sql/alerts.ts";
import { findAuditEntries } from "../../../shared/database/audit-log.ts";
import { routeOf, emailSearchOf } from "../../../shared/email/rules/search.ts";
import type { DeadLetterFilter } from "../../../shared/email/sql/dead-letter-filter.ts";
import { findDeadLetters, oldestDeadEmails } from "../../../shared/email/sql/dead-letters.ts";
import { findCounts } from "../../../shared/email/sql/email-counts.ts";
import { findEmails } from "../../../shared/email/sql/email-search.ts";
import { findSenders } from "../../../shared/email/sql/senders.ts";
import { findSuppressions } from "../../../shared/email/sql/suppression-lists.ts";
import { findHeartbeats } from "../../../shared/heartbeats/sql/heartbeats.ts";
import { readHistory } from "../../../shared/schedule/sql/history.ts";
import { findRuns } from "../../../shared/schedule/sql/job-runs.ts";
import { findJobs } from "../../../shared/schedule/sql/jobs.ts";
import { findDeliveries } from "../../../shared/webhooks/sql/deliveries.ts";
import { findEndpoints } from "../../../shared/webhooks/sql/endpoints.ts";
import { LIMIT, now, own, type Cases, type Work } from "./cases.ts";

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
  /** A page looks at each email that the index names, up to 1,000. */
  examines?: boolean;
};

const to = own.address;
const tenant = `user:${own.user}`;

const statuses = [null, "unknown", "dead", "scheduled", "delivered"] as const;
const searches = [null, tenant].flatMap((owner) =>
  statuses.flatMap((status) =>
    [
      {},
      { to },
      { tag: "welcome" },
      { from: "a@own.example" },
      { subject: "Hi" },
      { to, tag: "welcome", from: "a@own.example", subject: "Hi" },
      { tag: "welcome", subject: "Hi", createdFrom: 1, createdBefore: 2 ** 42 },
    ].map((fields) => emailSearchOf({ ...fields, tenant: owner, status })),
  ),
);

/** A status is either a condition of an index or a column of one. */
const ofEmails = searches.map((search): List => {
  const { rest } = routeOf(search, null);
  const given = Object.entries(search).flatMap(([name, value]) => (value === null ? [] : [name]));
  const walks = given.filter(
    (name) => name.startsWith("created") || rest.some((one) => one === name),
  );
  return {
    operation: "listEmails",
    by: given
      .filter((name) => !walks.includes(name))
      .map((name) => (name === "status" ? `status ${search.status}` : name)),
    walks,
    examines: rest.length > 0,
    run: (db) => findEmails(db, { ...search, before: null }, LIMIT),
  };
});

/** Each has a tenant: that of all together for an operator who names none. */
const ofCounts = [null, "2026-11-25"].flatMap((day) =>
  [null, { day: "2026-11-25", name: "a" }].map((after): List => ({
    operation: "listEmailCounts",
    by: day === null ? ["tenant"] : ["tenant", "day"],
    run: (db) => findCounts(db, { tenant, kind: "tag", day }, after, LIMIT),
  })),
);

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

const ofSuppressions = [
  {},
  { address: to },
  { tenant },
  { tenant: "" },
  { scope: "marketing" as const },
  { scope: "all" as const },
].map((filter): List => ({
  operation: "listSuppressions",
  // Of every tenant there are all rows of one of the tables.
  by: Object.entries(filter).flatMap(([name, value]) => (value === "" ? [] : [name])),
  run: (db) => findSuppressions(db, filter, { at: 1, id: "1" }, LIMIT),
}));

const anyTime = { from: null, to: null };
/** The ranges and prefixes are what their index is gone along. */
const ofUsers: List[] = [
  { filter: { by: "created" as const, ...anyTime }, walks: ["createdFrom", "createdTo"] },
  { filter: { by: "updated" as const, from: 1, to: now }, walks: ["updatedFrom", "updatedTo"] },
  { filter: { by: "id" as const, prefix: "a" }, walks: ["idPrefix"] },
  { filter: { by: "address" as const, prefix: "a" }, walks: ["emailPrefix"] },
].map(({ filter, walks }) => ({
  operation: "listUsers",
  by: [],
  walks,
  run: (db) => findUsers(db, filter, { at: now, id: "YQ" }, LIMIT),
}));

/** To add one: how its store is asked, and by what. */
export const lists: List[] = [
  ...ofEmails,
  ...ofLetters,
  ...ofUsage,
  ...ofCounts,
  ...ofSuppressions,
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
  {
    operation: "listInvitations",
    by: ["teamId"],
    run: (db) => findInvitations(db, own.team, { before: null, limit: LIMIT, now: 1 }),
  },
  ...ofUsers,
  { operation: "listUserKeys", by: ["owner"], run: (db) => findKeys(db, tenant, null, LIMIT) },
  {
    operation: "listTeamKeys",
    by: ["owner"],
    run: (db) => findKeys(db, `team:${own.team}`, { at: now, id: "key_1" }, LIMIT),
  },
  { operation: "listOperatorKeys", by: ["owner"], run: (db) => findKeys(db, "admin", null, LIMIT) },
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
  { operation: "listHeartbeats", by: [], run: (db) => findHeartbeats(db, null, null, LIMIT) },
  {
    operation: "listHeartbeats",
    by: ["tenant"],
    run: (db) => findHeartbeats(db, tenant, { at: 1, id: "hb_1" }, LIMIT),
  },
  { operation: "listAlerts", by: [], run: (db) => recentNotices(db, LIMIT) },
];

/** Lists that no statement of D1 is behind. */
export const listsElsewhere = new Set(["inspectTag", "circuitBreakerHistory", "heartbeatHistory"]);

/** Several lists of one operation by the same filters differ in what they walk or begin after. */
export const listCases: Cases = Object.fromEntries(
  lists.map(({ operation, by, examines = false, run }, n) => [
    examines ? `${operation}, examining (${n})` : `${operation} by ${by.join(", ")} (${n})`,
    run,
  ]),
);
