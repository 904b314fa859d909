import {
  findAnswer,
  insertAnswer,
  type FirstAnswer,
  type KeyedRequest,
} from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import type { ExpiringRows } from "../../database/expiring.ts";
import type { Cursor } from "../../http/lists.ts";
import type { MissedSlots } from "../rules/due.ts";
import type { JobDefinition } from "../rules/job-definition.ts";

/** SQL of jobs as operators define them. */

/** A job without its secrets. `revision`: raised by each change of the definition. */
export type Job = JobDefinition & {
  id: string;
  name: string;
  fromAt: number;
  nextAt: number | null;
  pausedAt: number | null;
  previousUntil: number | null;
  failures: number;
  revision: number;
  createdAt: number;
  updatedAt: number;
};

export type JobRow = Omit<Job, "schedule" | "target" | "payload" | "retries"> & {
  schedule: string;
  target: string;
  payload: string | null;
  maxRetries: number;
  backoff: string;
};

export const jobColumns = `j.id, j.name, j.schedule, j.time_zone AS timeZone, j.from_at AS fromAt,
  j.target, j.payload, j.timeout_ms AS timeoutMs, j.overlap, j.max_retries AS maxRetries,
  j.backoff, j.missed, j.grace_ms AS graceMs, j.next_at AS nextAt, j.paused_at AS pausedAt,
  j.previous_until AS previousUntil, j.failures, j.revision, j.created_at AS createdAt,
  j.updated_at AS updatedAt`;

export const jobFrom = ({
  schedule,
  target,
  payload,
  maxRetries,
  backoff,
  ...row
}: JobRow): Job => ({
  ...row,
  schedule: JSON.parse(schedule) as Job["schedule"],
  target: JSON.parse(target) as Job["target"],
  ...(payload !== null && { payload: JSON.parse(payload) as unknown }),
  retries: { max: maxRetries, backoff },
});

/** The values of a definition as they are stored: two that are the same have the same. */
export const definitionValues = (job: JobDefinition): (string | number | null)[] => [
  JSON.stringify(job.schedule),
  job.timeZone,
  JSON.stringify(job.target),
  job.payload === undefined || job.payload === null ? null : JSON.stringify(job.payload),
  job.timeoutMs,
  job.overlap,
  job.retries.max,
  job.retries.backoff,
  job.missed,
  job.graceMs,
];

const definitionColumns = [
  "schedule",
  "time_zone",
  "target",
  "payload",
  "timeout_ms",
  "overlap",
  "max_retries",
  "backoff",
  "missed",
  "grace_ms",
];

/** `secret`: encrypted. */
export type NewJob = JobDefinition &
  Pick<Job, "id" | "name" | "fromAt" | "nextAt" | "pausedAt"> & { secret: string };

export type CreatedJob =
  | { tag: "created" }
  /** A built-in task has the name. */
  | { tag: "built-in" }
  /** A request with the same key was answered before. */
  | { tag: "answered"; first: FirstAnswer };

/** SQL: no built-in task has the name. */
const isFree = (name: string): string =>
  `NOT EXISTS (SELECT 1 FROM task_states WHERE task = ${name} AND retired_at IS NULL)`;

/** @param keyed its Idempotency-Key: the answer that is kept is the name, never the secret */
export async function insertJob(
  db: D1Database,
  job: NewJob,
  keyed: KeyedRequest | null,
  now: number,
): Promise<CreatedJob> {
  const values = definitionValues(job);
  const own = [job.id, job.name, job.secret, job.fromAt, job.nextAt, job.pausedAt, now];
  const insert = db
    .prepare(
      `INSERT INTO jobs (id, name, secret, from_at, next_at, paused_at, created_at, updated_at,
         ${definitionColumns.join(", ")})
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ${values.map((_, n) => `?${n + 8}`).join(", ")}
       WHERE ${isFree("?2")} RETURNING id`,
    )
    .bind(...own, ...values);
  const answer = {
    answer: "json_object('name', ?1)",
    condition: isFree("?1"),
    bound: [job.name],
  };
  try {
    const replies = await runBatch(db, {
      answered: keyed === null ? [] : insertAnswer(db, keyed, now, answer),
      insert,
    });
    return { tag: replies.insert.results.length === 1 ? "created" : "built-in" };
  } catch (error) {
    const first = keyed === null ? null : await findAnswer(db, keyed, now);
    if (first === null) throw error;
    return { tag: "answered", first };
  }
}

export async function findJob(db: D1Database, name: string): Promise<Job | null> {
  const row = await db
    .prepare(`SELECT ${jobColumns} FROM jobs j WHERE j.name = ?1`)
    .bind(name)
    .first<JobRow>();
  return row === null ? null : jobFrom(row);
}

/** One page, newest first. */
export async function findJobs(
  db: D1Database,
  before: Cursor | null,
  limit: number,
): Promise<Job[]> {
  const { results } = await db
    .prepare(
      `SELECT ${jobColumns} FROM jobs j WHERE (j.created_at, j.id) < (?1, ?2)
       ORDER BY j.created_at DESC, j.id DESC LIMIT ?3`,
    )
    .bind(before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", limit)
    .all<JobRow>();
  return results.map(jobFrom);
}

/**
 * A change that was decided for a job as it was read. `unrun`: slots that nothing will run, as its
 * schedule ends here.
 */
export type JobChange = JobDefinition &
  Pick<Job, "fromAt" | "nextAt" | "pausedAt"> & { unrun: MissedSlots | null };

/** @returns null if the job has changed since, or a slot of it was claimed: nothing was written */
export async function saveJob(
  db: D1Database,
  read: Pick<Job, "id" | "revision" | "nextAt">,
  change: JobChange,
  now: number,
): Promise<Job | null> {
  const values = definitionValues(change);
  const isAsRead = "id = ?1 AND revision = ?2 AND next_at IS ?3";
  const asRead = [read.id, read.revision, read.nextAt] as const;
  const { unrun } = change;
  const replies = await runBatch(db, {
    missed:
      unrun === null
        ? []
        : [
            db
              .prepare(
                `INSERT INTO deliveries (id, kind, target, type, trigger, slot, status, due_at,
                   missed_until, missed_count, created_at, updated_at)
                 SELECT id || '.' || ?4 || '.missed', 'job', id, 'job', 'schedule', ?4, 'missed',
                   ?4, ?5, ?6, ?7, ?7
                 FROM jobs WHERE ${isAsRead} ON CONFLICT (id) DO NOTHING`,
              )
              .bind(...asRead, unrun.from, unrun.until, unrun.count, now),
          ],
    saved: db
      .prepare(
        `UPDATE jobs SET from_at = ?4, next_at = ?5, paused_at = ?6,
           over_at = iif(?5 IS NULL AND ?6 IS NULL, COALESCE(over_at, ?7), NULL),
           revision = revision + 1, updated_at = ?7,
           ${definitionColumns.map((column, n) => `${column} = ?${n + 8}`).join(", ")}
         WHERE ${isAsRead} RETURNING name`,
      )
      .bind(...asRead, change.fromAt, change.nextAt, change.pausedAt, now, ...values),
    found: db.prepare(`SELECT ${jobColumns} FROM jobs j WHERE j.id = ?1`).bind(read.id),
  });
  if (replies.saved.results.length === 0) return null;
  const [row] = replies.found.results as JobRow[];
  return row === undefined ? null : jobFrom(row);
}

/** @param secret the new one, encrypted. The one before signs too until `previousUntil` */
export async function replaceJobSecret(
  db: D1Database,
  name: string,
  { secret, previousUntil }: { secret: string; previousUntil: number },
  now: number,
): Promise<Job | null> {
  const [, found] = await db.batch<JobRow>([
    db
      .prepare(
        `UPDATE jobs SET previous_secret = iif(secret = ?2, previous_secret, secret),
           previous_until = ?3, secret = ?2, updated_at = ?4 WHERE name = ?1`,
      )
      .bind(name, secret, previousUntil, now),
    db.prepare(`SELECT ${jobColumns} FROM jobs j WHERE j.name = ?1`).bind(name),
  ]);
  const row = found?.results[0];
  return row === undefined ? null : jobFrom(row);
}

/**
 * Deletes a job. What waits for a call is ended: at most 1,000 runs here, the rest once they are
 * due. A call that is under way ends as it does.
 *
 * @returns whether it was there
 */
export async function removeJob(db: D1Database, name: string, now: number): Promise<boolean> {
  const own = "(SELECT id FROM jobs WHERE name = ?1)";
  const open = (status: string): string =>
    `SELECT id FROM deliveries WHERE target = ${own} AND status = '${status}' LIMIT 1000`;
  const ended = (status: string): D1PreparedStatement =>
    db
      .prepare(
        `UPDATE deliveries SET status = 'dead', reason = 'cancelled', updated_at = ?2
         WHERE id IN (${open(status)})`,
      )
      .bind(name, now);
  const replies = await runBatch(db, {
    pending: ended("pending"),
    waiting: ended("waiting"),
    deleted: db.prepare("DELETE FROM jobs WHERE name = ?1 RETURNING id").bind(name),
  });
  return replies.deleted.results.length > 0;
}

/** Jobs whose last slot is long past, such as deferred calls. */
export const oldJobs: ExpiringRows = {
  table: "jobs",
  key: "id",
  isOver: "over_at IS NOT NULL AND over_at <= ?1",
};
