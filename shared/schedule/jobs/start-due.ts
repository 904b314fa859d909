import type { Clock } from "../../lib/base/clock.ts";
import { unanswered } from "../../webhooks/rules/answer.ts";
import { settleDelivery } from "../../webhooks/rules/delivery.ts";
import { dueJob, jobRetryRules } from "../rules/jobs.ts";
import { dueRuns, jobsWithWaiting, lostRuns, recordRuns } from "../sql/job-runs.ts";
import { claimJobSlots, countLate, dueJobs, type SlotsClaim } from "../sql/job-slots.ts";
import { notifyOfRuns, type JobMessage } from "./queue-messages.ts";

export type JobsEnv = { DB: D1Database; JOB_QUEUE: Queue<JobMessage> };

/** Jobs per batch of D1. A batch is one transaction, which other writes wait for. */
const PAGE = 250;
/** No page begins later than this. The next minute goes on. */
const BUDGET_MS = 30_000;
/** Rows of each kind that the sweep looks at. */
const SWEPT = 1_000;
/** What is due for longer is late. */
export const JOB_LATE_MS = 300_000;

/**
 * `started`, `waiting`, `skipped`, `missed`: slots. `released`: runs whose consumer died.
 * `notified`: runs that were due already. `late`: jobs and runs that have been due for more than
 * five minutes, each counted up to 1,000.
 */
export type JobsStarted = Record<
  "started" | "waiting" | "skipped" | "missed" | "released" | "notified" | "late",
  number
>;

type Ports = { clock: Pick<Clock, "now">; random: () => number; signal: AbortSignal };

/**
 * Claims the slots of jobs that are due, page by page, and recovers runs that a crash or a lost
 * message left behind. Safe to run twice and beside anything else.
 */
export async function startDueJobs(env: JobsEnv, ports: Ports): Promise<JobsStarted> {
  const swept = await sweepRuns(env, ports);
  const slots = await claimPages(env, ports);
  const late = await countLate(env.DB, ports.clock.now() - JOB_LATE_MS, SWEPT);
  return { ...slots, ...swept, late };
}

async function claimPages(
  env: JobsEnv,
  { clock, signal }: Ports,
): Promise<Pick<JobsStarted, "started" | "waiting" | "skipped" | "missed">> {
  const total = { started: 0, waiting: 0, skipped: 0, missed: 0 };
  const until = clock.now() + BUDGET_MS;
  for (let now = clock.now(); now < until && !signal.aborted; now = clock.now()) {
    const due = await dueJobs(env.DB, now, PAGE);
    const claims = due.flatMap((timing): SlotsClaim[] => {
      const { id, revision, nextAt } = timing;
      const claim = dueJob(timing, now);
      return claim === null || nextAt === null
        ? []
        : [{ ...claim, id, revision, readNextAt: nextAt }];
    });
    if (claims.length === 0) break;
    const claimed = await claimJobSlots(env.DB, claims, now);
    await notifyOfRuns(env.JOB_QUEUE, claimed.runs);
    total.started += claimed.runs.length;
    total.waiting += claimed.waiting;
    total.skipped += claimed.skipped;
    total.missed += claimed.missed;
    if (due.length < PAGE) break;
  }
  return total;
}

/** Before the claims: a run that is released here may be in the way of a slot. */
async function sweepRuns(
  { DB, JOB_QUEUE }: JobsEnv,
  { clock, random }: Ports,
): Promise<Pick<JobsStarted, "released" | "notified">> {
  const now = clock.now();
  const lost = await lostRuns(DB, now, SWEPT);
  const outcome = unanswered("lease-expired");
  const recorded = lost.map(({ id, token, log, retries, ...life }) => ({
    id,
    token,
    settled: settleDelivery(life, outcome, {
      now,
      random: random(),
      retries: jobRetryRules(retries),
    }),
    log: [...log, { at: now, tookMs: 0, outcome: "lease-expired" }].slice(-10),
  }));
  const jobIds = new Set([
    ...lost.map(({ jobId }) => jobId),
    ...(await jobsWithWaiting(DB, SWEPT)),
  ]);
  if (jobIds.size > 0) await recordRuns(DB, recorded, [...jobIds], now);
  const due = await dueRuns(DB, now, SWEPT);
  await notifyOfRuns(
    JOB_QUEUE,
    due.map(({ id }) => id),
  );
  return { released: lost.length, notified: due.length };
}
