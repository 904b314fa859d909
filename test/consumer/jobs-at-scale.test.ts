import { env } from "cloudflare:workers";
import { beforeEach, expect, inject, it } from "vitest";
import { RUNS_PER_MESSAGE } from "../../shared/schedule/jobs/queue-messages.ts";
import { runDueJobs } from "../../shared/schedule/jobs/run-due.ts";
import { startDueJobs } from "../../shared/schedule/jobs/start-due.ts";
import type { JobCall } from "../../shared/schedule/rules/job-definition.ts";
import { jobQueue, JOBS_KEY, startAt } from "../support/jobs.ts";

/** Many jobs that are due in one minute. `npm run test:deep` has ten thousand of them. */

const db = env.DB;
const JOBS = inject("stored").length > 1 ? 10_000 : 600;
const MINUTE_MS = 60_000;
const due = Date.UTC(2026, 10, 30, 12);

beforeEach(async () => {
  await db.batch([
    db.prepare("DELETE FROM jobs"),
    db.prepare("DELETE FROM deliveries"),
    db
      .prepare(
        `INSERT INTO jobs (id, name, schedule, time_zone, from_at, target, timeout_ms, overlap,
           max_retries, backoff, missed, grace_ms, secret, next_at, created_at, updated_at)
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
         SELECT 'job_' || n, 'job-' || n, '{"cron":"0 12 * * *"}', 'UTC', 0, '{"queue":"work"}',
           30000, 'skip', 0, '10s', 'run-once', 120000, '', ?2, 0, 0 FROM numbers`,
      )
      .bind(JOBS, due),
  ]);
});

it(`one trigger claims all of ${JOBS} jobs that are due in one minute, and each is called once`, async () => {
  const { queue, take } = jobQueue();
  const started = await startAt(db, queue, due + 1_000);
  expect(started).toMatchObject({ started: JOBS, missed: 0, skipped: 0, late: 0 });
  const ids = take();
  expect(new Set(ids).size).toBe(JOBS);
  const calls = new Map<string, number>();
  const send = async ({ id }: JobCall): Promise<void> =>
    void calls.set(id, (calls.get(id) ?? 0) + 1);
  const ports = {
    db,
    bindings: { JOB_QUEUE_WORK: { send } },
    allowed: { queues: ["work"], services: [] },
    secretsKey: JOBS_KEY,
    policy: { allowLoopback: false },
    fetch,
    now: () => due + 2_000,
    random: () => 0.5,
  };
  for (let at = 0; at < ids.length; at += RUNS_PER_MESSAGE)
    await runDueJobs(ports, ids.slice(at, at + RUNS_PER_MESSAGE), async () => undefined);
  expect([...calls.values()].filter((times) => times !== 1)).toEqual([]);
  expect(calls.size).toBe(JOBS);
  const again = await startAt(db, queue, due + MINUTE_MS);
  expect(again).toMatchObject({ started: 0, late: 0 });
});

it("a trigger without time for all of them goes on in the next minute, and reports who is late", async () => {
  const { queue, take } = jobQueue();
  let now = due + 6 * MINUTE_MS;
  const ports = {
    clock: { now: () => (now += 12_000) },
    random: () => 0.5,
    signal: new AbortController().signal,
  };
  const first = await startDueJobs({ DB: db, JOB_QUEUE: queue }, ports);
  expect(first.started).toBeGreaterThan(0);
  expect(first.started).toBeLessThan(JOBS);
  expect(first.late).toBe(Math.min(JOBS - first.started, 1_000));
  let { started } = first;
  while (started < JOBS)
    started += (await startDueJobs({ DB: db, JOB_QUEUE: queue }, ports)).started;
  expect(new Set(take()).size).toBe(JOBS);
});
