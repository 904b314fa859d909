import * as alerts from "../../../shared/alerts/sql/alerts.ts";
import * as digest from "../../../shared/alerts/sql/digest.ts";
import * as facts from "../../../shared/alerts/sql/facts.ts";
import * as silences from "../../../shared/alerts/sql/silences.ts";
import * as answered from "../../../shared/database/answered-requests.ts";
import * as audit from "../../../shared/database/audit-log.ts";
import { findState } from "../../../shared/database/audit-states.ts";
import { deletionOf, rowsThatAreOver } from "../../../shared/database/expiring.ts";
import * as purges from "../../../shared/database/purge-outbox/pending-purges.ts";
import * as size from "../../../shared/database/size.ts";
import * as cursors from "../../../shared/schedule/sql/cursors.ts";
import * as executions from "../../../shared/schedule/sql/executions.ts";
import * as history from "../../../shared/schedule/sql/history.ts";
import { expiring, LIMIT, now, own, type Cases } from "./cases.ts";

/** The statements of `shared/database`, `shared/alerts/sql` and `shared/schedule/sql`. */

const entry = {
  id: "entry-1",
  at: now,
  actor: "ops",
  operation: "sendEmail",
  path: "/",
  requestId: "r",
  status: 202,
  changes: [],
};
const asked = { tenant: "t", operation: "addUsage", key: "k" };

export const ofDatabase: Cases = {
  beginAudit: (db) => audit.beginAudit(db, entry),
  endAudit: (db) => audit.endAudit(db, entry),
  insertAudit: (db) => audit.insertAudit(db, entry),
  insertAuditAlong: (db) =>
    db.batch([
      audit.insertAuditAlong(
        db,
        { ...entry, id: "entry-2" },
        { condition: "EXISTS (SELECT 1 FROM json_each(?1))", bound: "[]" },
      ),
    ]),
  ...expiring("oldAudit", audit.oldAudit),
  "rowsThatAreOver: audit": (db) =>
    rowsThatAreOver(db, audit.oldAudit, "at, id", { until: now - 1, limit: LIMIT }),
  "deletionOf: audit": (db) => deletionOf(db, audit.oldAudit, [{ id: "a" }]).run(),
  "findState: user": (db) => findState(db, "user", [own.user]),
  "findState: member": (db) => findState(db, "member", [own.team, own.user]),
  "findState: team": (db) => findState(db, "team", [own.team]),
  "findState: workspace": (db) => findState(db, "workspace", [own.workspace]),
  "findState: email": (db) => findState(db, "email", [own.email]),
  "findState: suppression": (db) => findState(db, "suppression", [own.address]),
  insertAnswer: (db) =>
    db.batch(
      answered.insertAnswer(db, { ...asked, requestHash: "h", requestId: "r" }, now, {
        answer: "'{}'",
        condition: "?1 = 1",
        bound: [1],
      }),
    ),
  findAnswer: (db) => answered.findAnswer(db, asked, now),
  ...expiring("expiredAnswers", answered.expiredAnswers),
  insertPurge: (db) =>
    db.batch([purges.insertPurge(db, { id: "p", tags: ["a"], mode: "hard", createdAt: now })]),
  deletePurges: (db) => purges.deletePurges(db, ["p"]),
  countPurges: (db) => purges.countPurges(db),
  listPurges: (db) => purges.listPurges(db, now, LIMIT),
  readSize: (db) => size.readSize(db, 10e9, now),
  watchSize: async (db) => {
    // Once it was full it is tried whether it has room again.
    await size.noteFull(db, now);
    await size.watchSize(db, 10e9, now);
  },
};

const alert = {
  holdsSince: now,
  firedAt: now,
  remindedAt: null,
  flappingSince: null,
  acknowledgedAt: null,
  withheld: false,
  held: [],
};

const EMAIL = { channel: "email", least: "page" } as const;
const WEBHOOK = { channel: "webhook", least: "page" } as const;

export const ofAlerts: Cases = {
  readAlerts: (db) => alerts.readAlerts(db),
  saveEvaluations: (db) =>
    alerts.saveEvaluations(
      db,
      [
        {
          condition: { key: "email:dead", holds: true, forMs: 0, summary: "one" },
          before: null,
          alert,
          notice: "fired",
          isSilenced: false,
          noticeId: "notice-1",
        },
      ],
      now,
    ),
  "undeliveredNotices: email": (db) => alerts.undeliveredNotices(db, EMAIL, { now, limit: LIMIT }),
  "undeliveredNotices: webhook": (db) =>
    alerts.undeliveredNotices(db, WEBHOOK, { now, limit: LIMIT }),
  "leaseNotice: email": (db) => alerts.leaseNotice(db, "email", "notice-1", { now, until: now }),
  "leaseNotice: webhook": (db) =>
    alerts.leaseNotice(db, "webhook", "notice-1", { now, until: now }),
  "releaseNotice: email": (db) => alerts.releaseNotice(db, "email", "notice-1"),
  "releaseNotice: webhook": (db) => alerts.releaseNotice(db, "webhook", "notice-1"),
  markFiredDelivered: (db) => alerts.markFiredDelivered(db, ["email:dead"], now),
  markKeyNotified: (db) => alerts.markKeyNotified(db, "email:dead", now),
  "markDelivered: email": (db) => alerts.markDelivered(db, "email", "notice-1", now),
  "markDelivered: webhook": (db) => alerts.markDelivered(db, "webhook", "notice-1", now),
  readNotified: (db) => alerts.readNotified(db),
  acknowledge: (db) => alerts.acknowledge(db, "email:dead", { by: "ada", now }),
  unacknowledge: (db) => alerts.unacknowledge(db, "email:dead"),
  findSilences: (db) => silences.findSilences(db, now),
  findSilence: (db) => silences.findSilence(db, "silence"),
  insertSilence: (db) =>
    silences.insertSilence(db, {
      id: "silence-1",
      match: "breaker:*",
      reason: "maintenance",
      createdBy: "ada",
      startsAt: now,
      endsAt: now + 1,
    }),
  stopSilence: (db) => silences.stopSilence(db, "silence-1", now),
  ...expiring("oldSilences", silences.oldSilences),
  ...expiring("oldNotices", alerts.oldNotices),
  readFacts: (db) =>
    facts.readFacts(db, { tasks: ["backup"], failures: 3, operator: own.address, now }),
  readDay: (db) => digest.readDay(db, now - 86_400_000, now, now),
};

const task = { name: "backup", cron: "* * * * *" };
const state = { lastSlot: now - 60_000, cron: task.cron, retiredAt: null };
const run = {
  runId: "run-1",
  executionId: "execution-1",
  task: task.name,
  trigger: "operator" as const,
  attempt: 1,
  leaseExpiresAt: now + 60_000,
  mayOverlap: false,
  retryOf: null,
};

export const ofTasks: Cases = {
  taskStates: (db) => executions.taskStates(db, [task], now),
  claimSlots: (db) =>
    executions.claimSlots(
      db,
      "execution-2",
      [
        {
          task: task.name,
          runId: "run-2",
          missedId: "missed-2",
          readState: state,
          slot: now,
          missed: null,
          next: { ...state, lastSlot: now },
          leaseExpiresAt: now + 60_000,
          mayOverlap: false,
        },
      ],
      now,
    ),
  beginRun: (db) => executions.beginRun(db, run, now),
  "beginRun: a retry": (db) =>
    executions.beginRun(
      db,
      { ...run, runId: "run-3", executionId: "execution-3", retryOf: { runId: "r", retries: 0 } },
      now,
    ),
  finishRun: (db) =>
    executions.finishRun(
      db,
      { ...run, status: "failure", result: undefined, error: null, failedAttempts: [] },
      now,
    ),
  lastRuns: (db) => history.lastRuns(db, [task.name]),
  countRetries: (db) => history.countRetries(db, "run-1"),
  findRun: (db) => history.findRun(db, "run-1"),
  readCursor: (db) => cursors.readCursor(db, "walk", "week"),
  saveCursor: (db) => cursors.saveCursor(db, "walk", "week", { id: "a", finished: false }),
  countOldExecutions: (db) => history.countOldExecutions(db, now - 1, LIMIT),
  oldExecutions: (db) => history.oldExecutions(db, now - 1, LIMIT),
  deleteTheseExecutions: (db) =>
    history.deleteTheseExecutions(db, [{ execution: { execution_id: "e" }, runs: [] }]),
  deleteExecutions: (db) => history.deleteExecutions(db, now - 1, LIMIT),
};
