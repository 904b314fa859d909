import { waitUntil } from "cloudflare:workers";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { iso } from "../../shared/http/time.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { notifyOfRuns } from "../../shared/schedule/jobs/queue-messages.ts";
import { scheduleOf } from "../../shared/schedule/rules/job-definition.ts";
import { jobSlots } from "../../shared/schedule/rules/job-schedule.ts";
import { findRuns } from "../../shared/schedule/sql/job-runs.ts";
import { requestRun } from "../../shared/schedule/sql/job-slots.ts";
import { findJob, type Job } from "../../shared/schedule/sql/jobs.ts";
import { isTaskName } from "../../shared/schedule/sql/task-pauses.ts";
import { replayDead, replayOne } from "../../shared/webhooks/sql/deliveries.ts";
import type { ApiEnv } from "../env.ts";
import { askScheduler, findListing } from "./built-in-tasks.ts";
import { json, type Handler } from "./call.ts";
import { builtInFailure, jobRunAnswer, noJob } from "./job-answers.ts";
import { createOnce, keyedRequest } from "./keyed.ts";

/** How many runs one request replays. */
const REPLAY_LIMIT = 1_000;

type Answer = Promise<Result<Response, Failure>>;

/** Runs what is about a job. @param ofTask what is about a built-in task of that name */
async function withJob(
  env: ApiEnv,
  name: string,
  { ofJob, ofTask }: { ofJob: (job: Job) => Answer; ofTask: () => Answer },
): Answer {
  const found = await readDatabase(env, async () => {
    const job = await findJob(env.DB, name);
    return { job, isTask: job === null && (await isTaskName(env.DB, name)) };
  });
  if (!found.ok) return found;
  const { job, isTask } = found.value;
  if (job !== null) return await ofJob(job);
  return isTask ? await ofTask() : fail(noJob);
}

const refusedFor = (name: string) => async (): Answer =>
  fail(builtInFailure(name, "its history is at /api/admin/scheduled-tasks/history."));

/** Notifies the consumer, after the answer. Without it luna-cron does, within a minute. */
function lookSoon({ JOB_QUEUE: queue }: ApiEnv, runIds: readonly string[]): void {
  const sent = notifyOfRuns(queue, runIds).catch((error: unknown) => {
    log("warn", "job.notification_failed", describeError(error));
  });
  waitUntil(sent);
}

export const listJobRuns: Handler<"listJobRuns"> = async ({
  params: { name },
  query: { limit, cursor, status },
  env,
}) =>
  await withJob(env, name, {
    ofTask: refusedFor(name),
    ofJob: async ({ id: jobId }) => {
      const wanted = { jobId, onlyDead: status === "dead" };
      const found = await readDatabase(env, () =>
        findRuns(env.DB, wanted, cursor ?? null, limit + 1),
      );
      if (!found.ok) return found;
      const { rows, ...next } = pageFrom(found.value, limit, (one) => one.createdAt);
      return json({ items: rows.map(jobRunAnswer), ...next });
    },
  });

export const nextJobTimes: Handler<"nextJobTimes"> = async ({
  params: { name },
  query: { count },
  env,
  now,
}) =>
  await withJob(env, name, {
    ofTask: async () => {
      const listing = await findListing(env, name);
      if (!listing.ok) return listing;
      if (listing.value === null) return fail(noJob);
      const { cron } = listing.value;
      const slots = jobSlots({ kind: "cron", cron, timeZone: "UTC" }, now, count);
      return json({ times: slots.map(iso) });
    },
    ofJob: async (job) => {
      const slots =
        job.nextAt === null
          ? []
          : jobSlots(scheduleOf(job, job.fromAt), Math.min(job.nextAt - 1, now), count);
      return json({ times: slots.map(iso) });
    },
  });

/** A built-in task has ended when this answers. */
export const runJob: Handler<"runJob"> = async (call) => {
  const { params, env, now } = call;
  const { name } = params;
  const keyed = await keyedRequest(call, name);
  return await withJob(env, name, {
    ofTask: async () => {
      if (keyed !== null) return fail(takesNoKey);
      const ran = await askScheduler(() => env.CRON.run(name));
      if (!ran.ok) return ran;
      if ("runId" in ran.value) return json({ runId: ran.value.runId }, { status: 202 });
      return ran.value.status === "not-found"
        ? fail(noJob)
        : fail({ tag: "wrong-state", detail: "Another request is running this task." });
    },
    ofJob: async () =>
      await createOnce(call, keyed, {
        create: async () => {
          const runId = crypto.randomUUID().replaceAll("-", "");
          const wanted = { name, runId: (jobId: string) => `${jobId}.r${runId}`, keyed };
          const write = () => requestRun(env.DB, wanted, now);
          const requested = await writeDatabase(write, write);
          if (!requested.ok) return requested;
          if (requested.value === null) return fail(noJob);
          const { id, status } = requested.value;
          if (status === "skipped")
            return fail({ tag: "wrong-state", detail: "An earlier run of this job is not over." });
          if (status === "pending") lookSoon(env, [id]);
          return json({ runId: id }, { status: 202 });
        },
        again: async (runId) => json({ runId }, { status: 202 }),
      }),
  });
};

const takesNoKey: Failure = {
  tag: "invalid",
  errors: [{ path: "Idempotency-Key", message: "is not supported for a built-in task" }],
};

export const replayJobRun: Handler<"replayJobRun"> = async ({
  params: { name, runId },
  env,
  now,
}) =>
  await withJob(env, name, {
    ofTask: refusedFor(name),
    ofJob: async ({ id: target }) => {
      const done = await writeDatabase(() => replayOne(env.DB, { id: runId, target }, now));
      if (!done.ok) return done;
      if (done.value === null) return fail({ tag: "not-found", what: "run" });
      if (!done.value.replayed)
        return fail({ tag: "wrong-state", detail: "Only a run that has ended is replayed." });
      lookSoon(env, [runId]);
      return json({ replayed: 1 }, { status: 202 });
    },
  });

export const replayJobRuns: Handler<"replayJobRuns"> = async ({
  params: { name },
  body: { since = 0, until },
  env,
  now,
}) =>
  await withJob(env, name, {
    ofTask: refusedFor(name),
    ofJob: async ({ id: target }) => {
      const filter = { target, type: null, since, until: until ?? now + 1 };
      const done = await writeDatabase(() => replayDead(env.DB, filter, now, REPLAY_LIMIT));
      if (!done.ok) return done;
      lookSoon(env, done.value);
      return json({ replayed: done.value.length }, { status: 202 });
    },
  });
