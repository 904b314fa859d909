import { runBatch } from "../../database/batch.ts";
import type { Cursor } from "../../http/lists.ts";
import type { DeliveryDeadReason, DeliveryStatus } from "../../webhooks/rules/delivery.ts";
import type { Attempt } from "../../webhooks/sql/deliveries.ts";
import { recordDeliveries, type RecordedDelivery } from "../../webhooks/sql/work.ts";
import type { MissedSlots } from "../rules/due.ts";
import { durationMs } from "../rules/job-definition.ts";
import type { JobRetries } from "../rules/jobs.ts";
import { jobColumns, jobFrom, type Job, type JobRow } from "./jobs.ts";

/** SQL of the runs of jobs. A run is a delivery: a lease fences what is recorded of it later. */

/** A run under a lease. */
export type ClaimedRun = {
  id: string;
  generation: number;
  attempts: number;
  firstAt: number;
  log: Attempt[];
  slot: number;
  trigger: "schedule" | "operator";
  job: Job & { secret: string; previousSecret: string | null };
};

type RunColumns = Pick<ClaimedRun, "generation" | "attempts" | "firstAt" | "slot" | "trigger"> & {
  runId: string;
  log: string;
};
type ClaimedRow = JobRow & RunColumns & { secret: string; previousSecret: string | null };

/** How long a lease outlasts the time limit of the call. */
const RECORD_WITHIN_MS = 60_000;

/** Claims these runs, those that are due and that no other consumer has. */
export async function claimRuns(
  db: D1Database,
  { ids, token }: { ids: readonly string[]; token: string },
  now: number,
): Promise<ClaimedRun[]> {
  const own = "id IN (SELECT value FROM json_each(?1)) AND kind = 'job'";
  const replies = await runBatch(db, {
    cancelled: db
      .prepare(
        `UPDATE deliveries AS d SET status = 'dead', reason = 'cancelled', updated_at = ?2
         WHERE ${own} AND status = 'pending'
           AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = d.target)`,
      )
      .bind(JSON.stringify(ids), now),
    claim: db
      .prepare(
        `UPDATE deliveries AS d SET status = 'delivering', attempts = attempts + 1,
           first_at = COALESCE(first_at, ?2), lease_token = ?3, updated_at = ?2,
           lease_expires_at = ?2 + ?4 + (SELECT timeout_ms FROM jobs WHERE id = d.target)
         WHERE ${own} AND status = 'pending' AND due_at <= ?2`,
      )
      .bind(JSON.stringify(ids), now, token, RECORD_WITHIN_MS),
    claimed: db
      .prepare(
        `SELECT ${jobColumns}, j.secret, j.previous_secret AS previousSecret, d.id AS runId,
           d.generation, d.attempts, d.first_at AS firstAt, d.log, d.slot, d.trigger
         FROM deliveries d JOIN jobs j ON j.id = d.target
         WHERE d.id IN (SELECT value FROM json_each(?1)) AND d.lease_token = ?2`,
      )
      .bind(JSON.stringify(ids), token),
  });
  return (replies.claimed.results as ClaimedRow[]).map((row) => {
    const { runId, generation, attempts, firstAt, log, slot, trigger, ...job } = row;
    const { secret, previousSecret, ...rest } = job;
    return {
      id: runId,
      generation,
      attempts,
      firstAt,
      log: JSON.parse(log) as Attempt[],
      slot,
      trigger,
      job: { ...jobFrom(rest), secret, previousSecret },
    };
  });
}

/**
 * Makes the oldest waiting run of each of these jobs due, if none of the job is due or under way.
 */
function promoteWaiting(
  db: D1Database,
  jobIds: readonly string[],
  now: number,
): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE deliveries SET status = 'pending', due_at = ?2, updated_at = ?2 WHERE id IN (
         SELECT (SELECT id FROM deliveries WHERE target = t.value AND status = 'waiting'
                 ORDER BY created_at, id LIMIT 1)
         FROM json_each(?1) AS t
         WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE target = t.value AND status = 'pending')
           AND NOT EXISTS (
             SELECT 1 FROM deliveries WHERE target = t.value AND status = 'delivering'))
       RETURNING id`,
    )
    .bind(JSON.stringify(jobIds), now);
}

/** SQL: the next job that has a waiting run. */
const nextWaiting = (than: string): string =>
  `(SELECT MIN(target) FROM deliveries WHERE status = 'waiting' AND target > ${than})`;

/** Jobs that have waiting runs, in the order of their ids. */
export async function jobsWithWaiting(db: D1Database, limit: number): Promise<string[]> {
  const { results } = await db
    .prepare(
      `WITH RECURSIVE waiting (target) AS (
         SELECT ${nextWaiting("?1")} UNION ALL
         SELECT ${nextWaiting("waiting.target")} FROM waiting WHERE target IS NOT NULL LIMIT ?2)
       SELECT target FROM waiting WHERE target IS NOT NULL`,
    )
    .bind("", limit)
    .all<{ target: string }>();
  return results.map(({ target }) => target);
}

/**
 * Records settled runs, each only under its lease, and makes what waited for them due.
 *
 * @returns the runs that are due now instead
 */
export async function recordRuns(
  db: D1Database,
  recorded: readonly RecordedDelivery[],
  jobIds: readonly string[],
  now: number,
): Promise<string[]> {
  const replies = await runBatch(db, {
    recorded: recordDeliveries(db, recorded, now),
    promoted: promoteWaiting(db, jobIds, now),
  });
  return (replies.promoted.results as { id: string }[]).map(({ id }) => id);
}

/** A run whose lease ran out: its consumer died, or did not reach D1. */
export type LostRun = Pick<ClaimedRun, "id" | "generation" | "attempts" | "firstAt" | "log"> & {
  token: string;
  jobId: string;
  retries: JobRetries;
};

export async function lostRuns(db: D1Database, now: number, limit: number): Promise<LostRun[]> {
  const { results } = await db
    .prepare(
      `SELECT d.id, d.target AS jobId, d.generation, d.attempts, d.first_at AS firstAt, d.log,
         d.lease_token AS token, COALESCE(j.max_retries, 0) AS max,
         COALESCE(j.backoff, '1s') AS backoff
       FROM deliveries d INDEXED BY deliveries_job_leases LEFT JOIN jobs j ON j.id = d.target
       WHERE d.kind = 'job' AND d.status = 'delivering' AND d.lease_expires_at <= ?1 LIMIT ?2`,
    )
    .bind(now, limit)
    .all<Omit<LostRun, "log" | "retries"> & { log: string; max: number; backoff: string }>();
  return results.map(({ log, max, backoff, ...row }) => ({
    ...row,
    log: JSON.parse(log) as Attempt[],
    retries: { max, backoffMs: durationMs(backoff) },
  }));
}

/** The runs that have been due for the longest. */
export async function dueRuns(
  db: D1Database,
  now: number,
  limit: number,
): Promise<{ id: string }[]> {
  const { results } = await db
    .prepare(
      `SELECT id FROM deliveries INDEXED BY deliveries_job_due
       WHERE kind = 'job' AND status = 'pending' AND due_at <= ?1 ORDER BY due_at, id LIMIT ?2`,
    )
    .bind(now, limit)
    .all<{ id: string }>();
  return results;
}

/** A run as an operator sees it. */
export type StoredRun = {
  id: string;
  trigger: "schedule" | "operator";
  slot: number;
  status: DeliveryStatus | "waiting" | "skipped" | "missed";
  generation: number;
  attempts: number;
  firstAt: number | null;
  dueAt: number;
  reason: DeliveryDeadReason | null;
  log: Attempt[];
  missed: MissedSlots | null;
  createdAt: number;
  updatedAt: number;
};

type StoredRow = Omit<StoredRun, "log" | "missed"> & {
  log: string;
  missedUntil: number | null;
  missedCount: number | null;
};

const runColumns = `d.id, d.trigger, d.slot, d.status, d.generation, d.attempts,
  d.first_at AS firstAt, d.due_at AS dueAt, d.reason, d.log, d.missed_until AS missedUntil,
  d.missed_count AS missedCount, d.created_at AS createdAt, d.updated_at AS updatedAt`;

const runFrom = ({ log, missedUntil, missedCount, ...row }: StoredRow): StoredRun => ({
  ...row,
  log: JSON.parse(log) as Attempt[],
  missed:
    missedUntil === null ? null : { from: row.slot, until: missedUntil, count: missedCount ?? 1 },
});

/** One page of a job's runs, newest first. @param onlyDead those that are dead */
export async function findRuns(
  db: D1Database,
  { jobId, onlyDead }: { jobId: string; onlyDead: boolean },
  before: Cursor | null,
  limit: number,
): Promise<StoredRun[]> {
  const { results } = await db
    .prepare(
      `SELECT ${runColumns} FROM deliveries d
       WHERE target = ?1 ${onlyDead ? "AND status = 'dead'" : ""}
         AND (created_at, id) < (?2, ?3)
       ORDER BY created_at DESC, id DESC LIMIT ?4`,
    )
    .bind(jobId, before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", limit)
    .all<StoredRow>();
  return results.map(runFrom);
}

/** The newest slot or run of each of these jobs. */
export async function lastJobRuns(
  db: D1Database,
  jobIds: readonly string[],
): Promise<Map<string, StoredRun>> {
  const { results } = await db
    .prepare(
      `SELECT t.value AS jobId, ${runColumns} FROM json_each(?1) AS t
       JOIN deliveries d ON d.id = (SELECT id FROM deliveries WHERE target = t.value
                                ORDER BY created_at DESC, id DESC LIMIT 1)`,
    )
    .bind(JSON.stringify(jobIds))
    .all<StoredRow & { jobId: string }>();
  return new Map(results.map(({ jobId, ...row }) => [jobId, runFrom(row)]));
}
