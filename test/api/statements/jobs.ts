import * as runs from "../../../shared/schedule/sql/job-runs.ts";
import * as slots from "../../../shared/schedule/sql/job-slots.ts";
import * as jobs from "../../../shared/schedule/sql/jobs.ts";
import * as pauses from "../../../shared/schedule/sql/task-pauses.ts";
import { expiring, LIMIT, now, own, type Cases } from "./cases.ts";

/** The statements of `shared/schedule/sql` about jobs, except those of lists. */

const { job: id } = own;
const run = `${id}.1`;
const definition = {
  schedule: { cron: "* * * * *" },
  timeZone: "UTC",
  target: { url: "https://example.com/" },
  timeoutMs: 1_000,
  overlap: "queue" as const,
  retries: { max: 1, backoff: "1s" },
  missed: "skip" as const,
  graceMs: 60_000,
};
const times = { fromAt: now, nextAt: now, pausedAt: null };
const unrun = { from: now, until: now, count: 1 };
const keyed = {
  tenant: "admin",
  operation: "createJob",
  key: "k",
  requestHash: "h",
  requestId: "r",
};
const job = (n: string): jobs.NewJob => ({
  ...definition,
  ...times,
  id: `job_${n}`,
  name: `job-${n}`,
  secret: "s",
});
const claim = {
  id,
  readNextAt: now,
  revision: 1,
  slot: now,
  missed: { ...unrun, from: 1, until: 1 },
  nextAt: now,
};
const settled = {
  status: "pending" as const,
  generation: 1,
  attempts: 1,
  firstAt: now,
  dueAt: now,
};

export const ofJobs: Cases = {
  insertJob: (db) => jobs.insertJob(db, job("1"), null, now),
  "insertJob: keyed": (db) => jobs.insertJob(db, job("2"), keyed, now),
  findJob: (db) => jobs.findJob(db, id),
  claimJobSlots: (db) => slots.claimJobSlots(db, [claim], now),
  saveJob: (db) =>
    jobs.saveJob(db, { id, revision: 1, nextAt: now }, { ...definition, ...times, unrun }, now),
  replaceJobSecret: (db) => jobs.replaceJobSecret(db, id, { secret: "t", previousUntil: now }, now),
  dueJobs: (db) => slots.dueJobs(db, now, LIMIT),
  requestRun: (db) =>
    slots.requestRun(db, { name: id, runId: (of) => `${of}.r1`, keyed: null }, now),
  "requestRun: keyed": (db) =>
    slots.requestRun(
      db,
      { name: id, runId: (of) => `${of}.r2`, keyed: { ...keyed, operation: "runJob" } },
      now,
    ),
  countLate: (db) => slots.countLate(db, 1, LIMIT),
  oldestDue: (db) => slots.oldestDue(db),
  pausedTasks: (db) => pauses.pausedTasks(db, ["backup"]),
  setTaskPaused: (db) => pauses.setTaskPaused(db, "backup", null),
  isTaskName: (db) => pauses.isTaskName(db, "backup"),
  "removeJob: another": (db) => jobs.removeJob(db, "job-2", now),
  ...expiring("oldJobs", jobs.oldJobs),
};

export const ofRuns: Cases = {
  claimRuns: (db) => runs.claimRuns(db, { ids: [run], token: "t" }, now),
  recordRuns: (db) => runs.recordRuns(db, [{ id: run, token: "t", settled, log: [] }], [id], now),
  jobsWithWaiting: (db) => runs.jobsWithWaiting(db, LIMIT),
  lostRuns: (db) => runs.lostRuns(db, now, LIMIT),
  dueRuns: (db) => runs.dueRuns(db, now, LIMIT),
  lastJobRuns: (db) => runs.lastJobRuns(db, [id]),
};
