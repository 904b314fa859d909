import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type { JobDefinition } from "../../shared/schedule/rules/job-definition.ts";
import { lastJobRuns } from "../../shared/schedule/sql/job-runs.ts";
import * as store from "../../shared/schedule/sql/jobs.ts";
import { isTaskName, setTaskPaused } from "../../shared/schedule/sql/task-pauses.ts";
import type { ApiEnv } from "../env.ts";
import { askScheduler, findListing, taskAnswers } from "./built-in-tasks.ts";
import { json, noContent, type Handler } from "./call.ts";
import { decideAndWrite } from "./decide-and-write.ts";
import { denyReasonForChange, isConditional, withEtag } from "./etag.ts";
import { builtInFailure, jobAnswer, noJob } from "./job-answers.ts";
import { changeOf, checkTarget, firstSlot, newJob, newJobSecret } from "./job-definitions.ts";
import { answerAgain, keyedRequest } from "./keyed.ts";

/** How long the secret before signs too, after a rotation. */
const OVERLAP_MS = 24 * 3_600_000;

type Answer = Promise<Result<Response, Failure>>;

async function answerOf(env: ApiEnv, job: store.Job) {
  const last = await readDatabase(env, () => lastJobRuns(env.DB, [job.id]));
  return last.ok ? ok(jobAnswer(job, last.value.get(job.id))) : last;
}

/** What the tag of a job covers: each change of its definition. Runs and slots are none. */
const tagged = ({ id, revision }: store.Job): unknown => ({ id, revision });

async function shown(env: ApiEnv, job: store.Job): Answer {
  const answer = await answerOf(env, job);
  return answer.ok ? await withEtag(json(answer.value), tagged(job)) : answer;
}

/** Why a write finds no job of that name. */
async function noSuchJob(env: ApiEnv, name: string, what: string): Promise<Failure> {
  const found = await readDatabase(env, () => isTaskName(env.DB, name));
  if (!found.ok) return found.error;
  return found.value ? builtInFailure(name, what) : noJob;
}

const FIXED = "its definition is part of this release.";

const deletedMeanwhile: Failure = {
  tag: "wrong-state",
  detail: "Another request deleted this job at the same time: try again.",
};

type Created = Result<store.CreatedJob, Failure>;

/** @param secret undefined: not shown, as no URL is called */
async function created(env: ApiEnv, job: store.NewJob, secret: string): Answer {
  const found = await readDatabase(env, () => store.findJob(env.DB, job.name));
  if (!found.ok) return found;
  if (found.value === null) return fail({ tag: "outcome-unknown" });
  const answer = {
    job: jobAnswer(found.value, undefined),
    ...("url" in job.target && { secret }),
  };
  const headers = { Location: `/api/admin/jobs/${job.name}` };
  return json(answer, { status: 201, headers });
}

export const createJob: Handler<"createJob"> = async ({
  body: { name, ...body },
  idempotencyKey,
  operation,
  env,
  caller,
  now,
}) => {
  const made = await newJob(env, name, body, now);
  if (!made.ok) return made;
  const { job, secret } = made.value;
  const keyed = await keyedRequest({ operation, caller, idempotencyKey }, { name, ...body });
  const written: Created = await writeDatabase(
    () => store.insertJob(env.DB, job, keyed, now),
    async () => {
      const found = await store.findJob(env.DB, name);
      return found?.id === job.id ? { tag: "created" } : null;
    },
  );
  if (!written.ok) return written;
  switch (written.value.tag) {
    case "created":
      return await created(env, job, secret);
    case "built-in":
      return fail({ tag: "conflict", field: "name" });
    case "answered":
      return answerAgain(written.value.first, keyed);
  }
};

/** Built-in tasks come after all jobs, as if they were there from the beginning. */
export const listJobs: Handler<"listJobs"> = async ({ query: { limit, cursor }, env }) => {
  const read = await readDatabase(env, async () => {
    const jobs = await store.findJobs(env.DB, cursor ?? null, limit + 1);
    const last = await lastJobRuns(
      env.DB,
      jobs.map(({ id }) => id),
    );
    return { jobs, last };
  });
  if (!read.ok) return read;
  const { jobs, last } = read.value;
  const ofJobs = jobs.map((job) => ({
    id: job.id,
    at: job.createdAt,
    answer: jobAnswer(job, last.get(job.id)),
  }));
  const room = limit + 1 - jobs.length;
  const tasks = room > 0 ? await builtIn(env, cursor?.at === 0 ? cursor.id : null, room) : ok([]);
  if (!tasks.ok) return tasks;
  const ofTasks = tasks.value.map((answer) => ({ id: answer.name, at: 0, answer }));
  const { rows, ...next } = pageFrom([...ofJobs, ...ofTasks], limit, ({ at }) => at);
  return json({ items: rows.map(({ answer }) => answer), ...next });
};

/** @param after the name of the last one that was shown; null if none was */
async function builtIn(env: ApiEnv, after: string | null, limit: number) {
  const listed = await askScheduler(() => env.CRON.list());
  if (!listed.ok) return listed;
  const page = listed.value
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .filter(({ name }) => after === null || name > after)
    .slice(0, limit);
  return await taskAnswers(env, page);
}

export const getJob: Handler<"getJob"> = async ({ params: { name }, env }) => {
  const found = await readDatabase(env, async () => {
    const job = await store.findJob(env.DB, name);
    return { job, isTask: job === null && (await isTaskName(env.DB, name)) };
  });
  if (!found.ok) return found;
  const { job, isTask } = found.value;
  if (job !== null) return await shown(env, job);
  return isTask ? await answerTask(env, name) : fail(noJob);
};

async function answerTask(env: ApiEnv, name: string): Answer {
  const listing = await findListing(env, name);
  if (!listing.ok) return listing;
  if (listing.value === null) return fail(noJob);
  const answers = await taskAnswers(env, [listing.value]);
  return answers.ok ? json(answers.value[0]) : answers;
}

type Change = {
  definition: (read: store.Job) => JobDefinition;
  paused: boolean | undefined;
  /** Of a job that is not there. */
  refusal: string;
  /** Null: about any state of the job. */
  request: Request | null;
};

/** Checks and saves a change of a job as it was read; repeats if a slot was claimed meanwhile. */
async function change(
  env: ApiEnv,
  name: string,
  { definition, paused, refusal, request }: Change,
  now: number,
): Promise<Result<store.Job, Failure>> {
  let denied: Failure | null = null;
  return await decideAndWrite<store.Job | null, store.Job>(env, {
    read: async () => {
      const job = await store.findJob(env.DB, name);
      if (job === null) denied = await noSuchJob(env, name, refusal);
      else denied = request === null ? null : await denyReasonForChange(request, tagged(job));
      return job;
    },
    denyReason: () => denied,
    write: async (job) => {
      if (job === null) return ok(null);
      const next = definition(job);
      const target = checkTarget(env, next.target);
      if (!target.ok) return target;
      const changed = changeOf(job, { ...next, target: target.value }, paused, now);
      if (changed === null) return ok(job);
      const slot = changed.fromAt === now ? firstSlot(next, now) : ok(now);
      if (!slot.ok) return slot;
      return await writeDatabase(() => store.saveJob(env.DB, job, changed, now));
    },
  });
}

const changedAnswer = async (env: ApiEnv, changed: Result<store.Job, Failure>): Answer =>
  changed.ok ? await shown(env, changed.value) : changed;

export const updateJob: Handler<"updateJob"> = async ({ request, params, body, env, now }) => {
  const { name } = params;
  const { paused, ...fields } = body;
  const given = Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Partial<JobDefinition>;
  const definition = (job: store.Job): JobDefinition => ({ ...job, ...given });
  return await changedAnswer(
    env,
    await change(env, name, { definition, paused, refusal: FIXED, request }, now),
  );
};

export const putJob: Handler<"putJob"> = async ({ request, params, body, env, now }) => {
  const { name } = params;
  const { paused, ...definition } = body;
  const there = await readDatabase(env, () => store.findJob(env.DB, name));
  if (!there.ok) return there;
  if (there.value === null) {
    if (isConditional(request)) return fail({ tag: "precondition-failed" });
    const made = await newJob(env, name, body, now);
    if (!made.ok) return made;
    const { job, secret } = made.value;
    const written: Created = await writeDatabase(() => store.insertJob(env.DB, job, null, now));
    if (!written.ok) return written;
    return written.value.tag === "built-in"
      ? fail(builtInFailure(name, FIXED))
      : await created(env, job, secret);
  }
  const changed = await change(
    env,
    name,
    { definition: () => definition, paused, refusal: FIXED, request },
    now,
  );
  if (!changed.ok) return changed.error.tag === "not-found" ? fail(deletedMeanwhile) : changed;
  const answer = await answerOf(env, changed.value);
  return answer.ok ? await withEtag(json({ job: answer.value }), tagged(changed.value)) : answer;
};

export const deleteJob: Handler<"deleteJob"> = async ({ params: { name }, env, now }) => {
  const gone = await writeDatabase(() => store.removeJob(env.DB, name, now));
  if (!gone.ok) return gone;
  return gone.value ? noContent() : fail(await noSuchJob(env, name, FIXED));
};

const asItIs = (job: store.Job): JobDefinition => job;

/** Pauses or resumes a job, or one of the built-in tasks that may be paused. */
async function pauseOrResume(env: ApiEnv, name: string, paused: boolean, now: number): Answer {
  const asAsked = { definition: asItIs, paused, refusal: FIXED, request: null };
  const changed = await change(env, name, asAsked, now);
  if (changed.ok || changed.error.tag !== "wrong-state") return await changedAnswer(env, changed);
  const listing = await findListing(env, name);
  if (!listing.ok) return listing;
  if (listing.value === null) return changed;
  if (listing.value.mayPause !== true)
    return fail(builtInFailure(name, "it repairs or deletes, so it cannot be paused."));
  const write = async (): Promise<true> => {
    await setTaskPaused(env.DB, name, paused ? now : null);
    return true;
  };
  const written = await writeDatabase(write, write);
  return written.ok ? await answerTask(env, name) : written;
}

export const pauseJob: Handler<"pauseJob"> = async ({ params: { name }, env, now }) =>
  await pauseOrResume(env, name, true, now);

export const resumeJob: Handler<"resumeJob"> = async ({ params: { name }, env, now }) =>
  await pauseOrResume(env, name, false, now);

export const rotateJobSecret: Handler<"rotateJobSecret"> = async ({
  params: { name },
  env,
  now,
}) => {
  const found = await readDatabase(env, () => store.findJob(env.DB, name));
  if (!found.ok) return found;
  if (found.value === null) return fail(await noSuchJob(env, name, "it has no secret."));
  const secret = await newJobSecret(env, found.value.id);
  if (!secret.ok) return secret;
  const next = { secret: secret.value.encrypted, previousUntil: now + OVERLAP_MS };
  const write = () => store.replaceJobSecret(env.DB, name, next, now);
  const rotated = await writeDatabase(write, write);
  if (!rotated.ok) return rotated;
  if (rotated.value === null) return fail(noJob);
  const answer = await answerOf(env, rotated.value);
  if (!answer.ok) return answer;
  return json({ job: answer.value, secret: secret.value.secret }, { status: 201 });
};
