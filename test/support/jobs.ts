import type { JobMessage } from "../../shared/schedule/jobs/queue-messages.ts";
import { startDueJobs, type JobsStarted } from "../../shared/schedule/jobs/start-due.ts";
import type { JobDefinition } from "../../shared/schedule/rules/job-definition.ts";
import { scheduleOf } from "../../shared/schedule/rules/job-definition.ts";
import { nextJobSlot } from "../../shared/schedule/rules/job-schedule.ts";
import { insertJob } from "../../shared/schedule/sql/jobs.ts";
import { encryptSecret } from "../../shared/webhooks/secrets.ts";

/** Jobs in D1, without the API. */

export const JOBS_KEY = "test-secrets-key-0123456789abcdef";
export const JOBS_SECRET = `whsec_${btoa("a secret of thirty-two characters")}`;

const defaults: JobDefinition = {
  schedule: { every: "60s" },
  timeZone: "UTC",
  target: { url: "https://example.com/hook" },
  timeoutMs: 30_000,
  overlap: "skip",
  retries: { max: 0, backoff: "10s" },
  missed: "run-once",
  graceMs: 120_000,
};

export async function storeJob(
  db: D1Database,
  name: string,
  fields: Partial<JobDefinition>,
  now: number,
): Promise<string> {
  const hex = new TextEncoder().encode(name).toHex();
  const id = `job_${hex.padStart(32, "0").slice(-32)}`;
  const job = { ...defaults, ...fields };
  const secret = await encryptSecret(JOBS_KEY, id, JOBS_SECRET);
  const nextAt = nextJobSlot(scheduleOf(job, now), now);
  await insertJob(db, { ...job, id, name, fromAt: now, nextAt, pausedAt: null, secret }, null, now);
  return id;
}

/** A queue that keeps the runs it was notified of. */
export function jobQueue(): { queue: Queue<JobMessage>; take: () => string[] } {
  let runIds: string[] = [];
  const sendBatch = async (messages: Iterable<{ body: JobMessage }>): Promise<void> =>
    void runIds.push(...[...messages].flatMap(({ body }) => body.runIds));
  const take = (): string[] => {
    const taken = runIds;
    runIds = [];
    return taken;
  };
  return { queue: { sendBatch } as unknown as Queue<JobMessage>, take };
}

/** What luna-cron does each minute. */
export const startAt = async (
  db: D1Database,
  queue: Queue<JobMessage>,
  now: number,
): Promise<JobsStarted> =>
  await startDueJobs(
    { DB: db, JOB_QUEUE: queue },
    { clock: { now: () => now }, random: () => 0.5, signal: new AbortController().signal },
  );
