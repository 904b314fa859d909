import { insertCreated, type KeyedRequest } from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import { countRows } from "../../database/expiring.ts";
import { scheduleOf } from "../rules/job-definition.ts";
import { MAX_WAITING_RUNS, type DueJob, type JobTiming } from "../rules/jobs.ts";
import { jobColumns, jobFrom, type JobRow } from "./jobs.ts";

/** SQL that claims the slots of jobs. */

/** A job with a slot that is not recorded. */
export type DueTiming = JobTiming & { id: string; revision: number };

/** The jobs that have been due for the longest. */
export async function dueJobs(db: D1Database, now: number, limit: number): Promise<DueTiming[]> {
  const { results } = await db
    .prepare(
      `SELECT ${jobColumns} FROM jobs j INDEXED BY jobs_due WHERE j.next_at <= ?1
       ORDER BY j.next_at, j.id LIMIT ?2`,
    )
    .bind(now, limit)
    .all<JobRow>();
  return results.map((row) => {
    const { id, revision, nextAt, missed, graceMs, fromAt, ...job } = jobFrom(row);
    return { id, revision, nextAt, missed, graceMs, schedule: scheduleOf(job, fromAt) };
  });
}

/** What is to be recorded of a job, if it still is as it was read. */
export type SlotsClaim = DueJob & { id: string; readNextAt: number; revision: number };

/** The claims of `?1` whose job is as it was read. */
const claimable = `json_each(?1) AS c CROSS JOIN jobs AS j ON j.id = c.value ->> 'id'
  AND j.next_at = c.value ->> 'readNextAt' AND j.revision = c.value ->> 'revision'`;

/** SQL over a job `j`: a run is due or under way. */
const isActive = `(EXISTS (SELECT 1 FROM deliveries WHERE target = j.id AND status = 'pending')
  OR EXISTS (SELECT 1 FROM deliveries WHERE target = j.id AND status = 'delivering'))`;

/** SQL over a job `j`: how its run begins. As `startOfRun`. */
const startStatus = `CASE WHEN j.overlap = 'allow' OR NOT ${isActive} THEN 'pending'
  WHEN j.overlap = 'queue' AND (SELECT COUNT(*) FROM deliveries
    WHERE target = j.id AND status = 'waiting') < ${MAX_WAITING_RUNS} THEN 'waiting'
  ELSE 'skipped' END`;

const columns = `id, kind, target, type, trigger, slot, status, due_at, missed_until, missed_count,
  created_at, updated_at`;

export type ClaimedSlots = { runs: string[]; waiting: number; skipped: number; missed: number };

/**
 * Claims slots in one batch. The id of a run is its slot, so that of two triggers only one writes
 * it. Safe to repeat if its reply was lost: the sweep starts what is due.
 */
export async function claimJobSlots(
  db: D1Database,
  claims: readonly SlotsClaim[],
  now: number,
): Promise<ClaimedSlots> {
  const wanted = JSON.stringify(claims);
  const replies = await runBatch(db, {
    missed: db
      .prepare(
        `INSERT INTO deliveries (${columns})
         SELECT j.id || '.' || (c.value -> 'missed' ->> 'from') || '.missed', 'job', j.id, 'job',
           'schedule', c.value -> 'missed' ->> 'from', 'missed', c.value -> 'missed' ->> 'from',
           c.value -> 'missed' ->> 'until', c.value -> 'missed' ->> 'count', ?2, ?2
         FROM ${claimable} WHERE c.value ->> 'missed' IS NOT NULL
         ON CONFLICT (id) DO NOTHING RETURNING missed_count AS count`,
      )
      .bind(wanted, now),
    runs: db
      .prepare(
        `INSERT INTO deliveries (${columns})
         SELECT j.id || '.' || (c.value ->> 'slot'), 'job', j.id, 'job', 'schedule',
           c.value ->> 'slot', ${startStatus}, ?2, NULL, NULL, ?2, ?2
         FROM ${claimable} WHERE c.value ->> 'slot' IS NOT NULL
         ON CONFLICT (id) DO NOTHING RETURNING id, status`,
      )
      .bind(wanted, now),
    jobs: db
      .prepare(
        `UPDATE jobs AS j SET next_at = c.value ->> 'nextAt',
           over_at = iif(c.value ->> 'nextAt' IS NULL, ?2, NULL)
         FROM json_each(?1) AS c WHERE j.id = c.value ->> 'id'
           AND j.next_at = c.value ->> 'readNextAt' AND j.revision = c.value ->> 'revision'`,
      )
      .bind(wanted, now),
  });
  const begun = replies.runs.results as { id: string; status: string }[];
  const of = (status: string): string[] =>
    begun.filter((one) => one.status === status).map(({ id }) => id);
  const missed = (replies.missed.results as { count: number }[]).map(({ count }) => count);
  return {
    runs: of("pending"),
    waiting: of("waiting").length,
    skipped: of("skipped").length,
    missed: missed.reduce((sum, count) => sum + count, 0),
  };
}

/** What became of a request to run a job now. */
export type RunRequested = "pending" | "waiting" | "skipped";

type WantedRun = {
  name: string;
  runId: (jobId: string) => string;
  keyed: KeyedRequest | null;
};

/** Records a run that an operator asks for. @returns null if there is no such job */
export async function requestRun(
  db: D1Database,
  { name, runId, keyed }: WantedRun,
  now: number,
): Promise<{ id: string; status: RunRequested } | null> {
  const job = await db
    .prepare("SELECT id FROM jobs WHERE name = ?1")
    .bind(name)
    .first<{ id: string }>();
  if (job === null) return null;
  const id = runId(job.id);
  const replies = await runBatch(db, {
    run: db
      .prepare(
        `INSERT INTO deliveries (${columns})
         SELECT ?1, 'job', id, 'job', 'operator', ?3, status, ?3, NULL, NULL, ?3, ?3
         FROM (SELECT j.id, ${startStatus} AS status FROM jobs j WHERE j.id = ?2)
         WHERE status <> 'skipped' ON CONFLICT (id) DO NOTHING`,
      )
      .bind(id, job.id, now),
    answered: insertCreated(db, keyed, now, {
      created: "SELECT id FROM deliveries WHERE id = ?1",
      bound: [id],
    }),
    found: db.prepare("SELECT status FROM deliveries WHERE id = ?1").bind(id),
  });
  const [found] = replies.found.results as { status: RunRequested }[];
  return { id, status: found?.status ?? "skipped" };
}

/** How many jobs and runs were due before a time, each counted up to `limit`. */
export async function countLate(db: D1Database, before: number, limit: number): Promise<number> {
  const jobs = await countRows(db, "jobs WHERE next_at IS NOT NULL AND next_at < ?1", [
    before,
    limit,
  ]);
  const runs = await countRows(
    db,
    "deliveries WHERE kind = 'job' AND status = 'pending' AND due_at < ?1",
    [before, limit],
  );
  return jobs + runs;
}

/** When the first job or run is due, or has been for the longest; null if none is. */
export async function oldestDue(db: D1Database): Promise<number | null> {
  return await db
    .prepare(
      `SELECT MIN(at) AS at FROM (
         SELECT (SELECT MIN(next_at) FROM jobs WHERE next_at IS NOT NULL) AS at UNION ALL
         SELECT (SELECT MIN(due_at) FROM deliveries WHERE kind = 'job' AND status = 'pending'))`,
    )
    .first<number | null>("at");
}
