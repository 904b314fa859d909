import * as v from "valibot";
import { pageOf } from "../http/lists.ts";
import { time } from "../http/time.ts";
import {
  builtInTask,
  changes,
  definition,
  job,
  jobName,
  jobParams as params,
  jobRun,
  pageQuery,
  replayFilter,
  runParams,
} from "./job-schemas.ts";
import { count, operation, page } from "./operation.ts";

const tag = "operations";
const read = ["unavailable"] as const;
const write = ["unavailable", "outcome-unknown"] as const;
const withSecret = v.strictObject({ job, secret: v.optional(v.string()) });

export const createJob = operation({
  id: "createJob",
  method: "POST",
  path: "/api/admin/jobs",
  access: "admin",
  tag,
  summary:
    "Create a job that calls a URL, a queue or a method of a service when its schedule is due. " +
    "The secret that signs calls of a URL is shown once; a repeat under its Idempotency-Key " +
    "answers 200 with the name.",
  idempotent: true,
  body: v.strictObject({ name: jobName, ...definition }),
  answers: { 200: v.strictObject({ name: v.string() }), 201: withSecret },
  problems: ["conflict", "idempotency-key-reused", "misconfigured", ...write],
});

export const listJobs = operation({
  id: "listJobs",
  method: "GET",
  path: "/api/admin/jobs",
  access: "viewer",
  tag,
  summary: "Jobs, newest first, then the built-in tasks: next slot and last run of each.",
  query: pageQuery,
  answers: { 200: page(v.union([job, builtInTask])) },
  problems: read,
});

export const getJob = operation({
  id: "getJob",
  method: "GET",
  path: "/api/admin/jobs/:name",
  access: "viewer",
  tag,
  summary: "A job, or a built-in task.",
  params,
  answers: { 200: v.union([job, builtInTask]) },
  problems: read,
});

export const putJob = operation({
  id: "putJob",
  method: "PUT",
  path: "/api/admin/jobs/:name",
  access: "admin",
  tag,
  summary:
    "Create a job, or give it this definition. For scripts of a deployment: a repeat changes " +
    "nothing. A schedule that stays the same keeps its slots.",
  params: { name: { schema: jobName } },
  conditional: true,
  body: v.strictObject(definition),
  answers: { 200: withSecret, 201: withSecret },
  problems: ["conflict", "wrong-state", "misconfigured", ...write],
});

export const updateJob = operation({
  id: "updateJob",
  method: "PATCH",
  path: "/api/admin/jobs/:name",
  access: "admin",
  tag,
  summary: "Change a job. A new schedule begins now; slots of the earlier one are not caught up.",
  params,
  conditional: true,
  body: v.pipe(
    v.strictObject(changes),
    v.minEntries(1, `must change at least one of ${Object.keys(changes).join(", ")}`),
  ),
  answers: { 200: job },
  problems: ["wrong-state", "misconfigured", ...write],
});

export const deleteJob = operation({
  id: "deleteJob",
  method: "DELETE",
  path: "/api/admin/jobs/:name",
  access: "admin",
  tag,
  summary: "Delete a job. Runs that wait are cancelled, also a deferred call.",
  params,
  answers: { 204: null },
  problems: ["wrong-state", ...write],
});

const command = <const Id extends string, const What extends string>(
  id: Id,
  what: What,
  summary: string,
) =>
  operation({
    id,
    method: "POST",
    path: `/api/admin/jobs/:name/${what}`,
    access: "admin",
    tag,
    summary,
    params,
    answers: { 200: v.union([job, builtInTask]) },
    problems: ["wrong-state", ...write],
  });

export const pauseJob = command(
  "pauseJob",
  "pause",
  "Pause a job: it has no slots until it is resumed. A built-in task skips its slots.",
);
export const resumeJob = command("resumeJob", "resume", "Resume a job with its next slot.");

export const runJob = operation({
  id: "runJob",
  method: "POST",
  path: "/api/admin/jobs/:name/run",
  access: "admin",
  tag,
  summary:
    "Run a job now, regardless of its schedule, also while it is paused. " +
    "A built-in task takes no Idempotency-Key.",
  params,
  idempotent: true,
  answers: { 202: v.strictObject({ runId: v.string() }) },
  problems: ["wrong-state", "idempotency-key-reused", ...write],
});

export const rotateJobSecret = operation({
  id: "rotateJobSecret",
  method: "POST",
  path: "/api/admin/jobs/:name/secret",
  access: "admin",
  tag,
  summary:
    "Replace the secret of a job. The new one is shown once. For 24 hours each call is signed " +
    "with both.",
  params,
  answers: { 201: v.strictObject({ job, secret: v.string() }) },
  problems: ["wrong-state", "misconfigured", ...write],
});

export const listJobRuns = operation({
  id: "listJobRuns",
  method: "GET",
  path: "/api/admin/jobs/:name/history",
  access: "viewer",
  tag,
  summary: "The runs of a job with its skipped and missed slots, newest first.",
  params,
  query: v.strictObject({
    ...pageOf.entries,
    status: v.optional(v.picklist(["dead"], 'must be "dead"')),
  }),
  answers: { 200: page(jobRun) },
  problems: ["wrong-state", ...read],
});

export const nextJobTimes = operation({
  id: "nextJobTimes",
  method: "GET",
  path: "/api/admin/jobs/:name/next",
  access: "viewer",
  tag,
  summary: "When a job is due next. None while it is paused.",
  params,
  query: v.strictObject({
    count: v.optional(
      v.pipe(v.string(), v.regex(/^([1-9]\d?|100)$/, "must be from 1 to 100"), v.transform(Number)),
      "5",
    ),
  }),
  answers: { 200: v.strictObject({ times: v.array(time) }) },
  problems: read,
});

export const replayJobRun = operation({
  id: "replayJobRun",
  method: "POST",
  path: "/api/admin/jobs/:name/history/:runId/replay",
  access: "admin",
  tag,
  summary: "Make the call of a run again that has ended, under the same id.",
  params: runParams,
  answers: { 202: v.strictObject({ replayed: v.literal(1) }) },
  problems: ["wrong-state", ...write],
});

export const replayJobRuns = operation({
  id: "replayJobRuns",
  method: "POST",
  path: "/api/admin/jobs/:name/replay",
  access: "admin",
  tag,
  summary: "Replay dead runs of a job, oldest first, at most 1,000 per request: all, or of a time.",
  params,
  body: replayFilter,
  answers: { 202: v.strictObject({ replayed: count }) },
  problems: ["wrong-state", ...write],
});
