import * as v from "valibot";
import { pageOf } from "../http/lists.ts";
import { time, timestamp } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { oneLine } from "../lib/worker/one-line.ts";
import {
  durationMs,
  durationPattern,
  type JobTarget,
  type ScheduleText,
} from "../schedule/rules/job-definition.ts";
import { isCron, isTimeZone } from "../schedule/rules/job-schedule.ts";
import { missedPolicies, overlaps } from "../schedule/rules/jobs.ts";
import { describedAs } from "./described.ts";
import { count } from "./operation.ts";

/** What jobs look like in requests and answers. */

const DAY_MS = 86_400_000;
const MAX_PAYLOAD_BYTES = 65_536;

export const jobName = v.pipe(
  oneLine(64),
  v.regex(/^[a-z][a-z0-9-]*$/, "must be lower-case letters, digits or -, beginning with a letter"),
);

const duration = v.pipe(
  v.string("must be text"),
  v.regex(durationPattern, 'must be a duration such as "90s", "15m", "12h" or "1d"'),
);
const between = (leastMs: number, mostMs: number, message: string) =>
  v.pipe(
    duration,
    v.check((text) => {
      const ms = durationMs(text);
      return !durationPattern.test(text) || (ms >= leastMs && ms <= mostMs);
    }, message),
  );

const every = between(60_000, 366 * DAY_MS, "must be from 60s to 366d");
const cron = v.pipe(
  oneLine(100),
  v.check(isCron, "must be five fields: minute, hour, day, month, day of the week"),
);
const timeZone = v.pipe(
  oneLine(64),
  v.check(isTimeZone, "must be an IANA time zone such as Europe/Berlin"),
);

const hasOne = (fields: object): boolean =>
  Object.values(fields).filter((value) => value !== undefined).length === 1;

/** One of three, so that a mistake in one field is named as that. */
const schedule = describedAs(
  v.pipe(
    v.strictObject({
      cron: v.optional(cron),
      every: v.optional(every),
      at: v.optional(timestamp),
    }),
    v.check(hasOne, "must have exactly one of cron, every, at"),
    v.transform((fields) => fields as ScheduleText),
  ),
  v.union([
    v.strictObject({ cron }),
    v.strictObject({ every: duration }),
    v.strictObject({ at: time }),
  ]),
);

const url = oneLine(2_048);
const boundName = v.pipe(
  oneLine(63),
  v.regex(/^[a-z][a-z0-9-]*$/, "must be lower-case letters, digits or -"),
);
const method = v.pipe(oneLine(64), v.regex(/^[a-zA-Z][a-zA-Z0-9]*$/, "must be a method's name"));

const target = describedAs(
  v.pipe(
    v.strictObject({
      url: v.optional(url),
      queue: v.optional(boundName),
      service: v.optional(boundName),
      method: v.optional(method),
    }),
    v.check(
      ({ method: called, ...fields }) =>
        hasOne(fields) && (called === undefined) === (fields.service === undefined),
      "must have url, or queue, or service and method",
    ),
    v.transform((fields) => fields as JobTarget),
  ),
  v.union([
    v.strictObject({ url }),
    v.strictObject({ queue: boundName }),
    v.strictObject({ service: boundName, method }),
  ]),
);

const payload = v.pipe(
  v.unknown(),
  v.check(
    (value) => new TextEncoder().encode(JSON.stringify(value) ?? "").length <= MAX_PAYLOAD_BYTES,
    "must have at most 64 KiB as JSON",
  ),
  v.description("Any JSON value."),
);

const wholeBetween = (least: number, most: number) =>
  v.pipe(
    v.number("must be a number"),
    v.integer("must be a whole number"),
    v.minValue(least, `must be at least ${least}`),
    v.maxValue(most, `must be at most ${most}`),
  );

const timeoutMs = wholeBetween(1_000, 300_000);
const overlap = v.picklist(overlaps, `must be one of ${overlaps.join(", ")}`);
const backoff = between(1_000, 3_600_000, "must be from 1s to 1h");
const retries = v.strictObject({
  max: v.optional(wholeBetween(0, 10), 3),
  backoff: v.optional(backoff, "10s"),
});
const missed = v.picklist(missedPolicies, `must be one of ${missedPolicies.join(", ")}`);
const graceMs = wholeBetween(60_000, 7 * DAY_MS);
const paused = v.boolean("must be true or false");

/** Every field of a definition but its name, with the defaults. */
export const definition = {
  schedule,
  timeZone: v.optional(timeZone, "UTC"),
  target,
  payload: v.optional(payload),
  timeoutMs: v.optional(timeoutMs, 30_000),
  overlap: v.optional(overlap, "skip"),
  retries: v.optional(retries, { max: 3, backoff: "10s" }),
  missed: v.optional(missed, "run-once"),
  graceMs: v.optional(graceMs, 120_000),
  paused: v.optional(paused),
};

export const changes = {
  schedule: v.optional(schedule),
  timeZone: v.optional(timeZone),
  target: v.optional(target),
  payload: v.optional(payload),
  timeoutMs: v.optional(timeoutMs),
  overlap: v.optional(overlap),
  retries: v.optional(retries),
  missed: v.optional(missed),
  graceMs: v.optional(graceMs),
  paused: v.optional(paused),
};

const runStatuses = [
  "waiting",
  "pending",
  "running",
  "success",
  "failure",
  "dead",
  "skipped",
  "missed",
] as const;

/**
 * `waiting`: for an earlier run. `failure`: of a built-in task. `dead`: no attempt is left; it can
 * be replayed. `log`: the last attempts. `missed`: the slots of this entry that nothing ran.
 */
export const jobRun = named("JobRun", {
  runId: v.string(),
  trigger: v.picklist(["schedule", "operator"]),
  status: v.picklist(runStatuses),
  scheduledTime: time,
  startedAt: v.optional(time),
  dueAt: v.optional(time),
  generation: count,
  attempts: count,
  reason: v.optional(v.string()),
  log: v.array(
    v.strictObject({
      at: time,
      tookMs: count,
      outcome: v.string(),
      status: v.optional(count),
      answer: v.optional(v.string()),
    }),
  ),
  missed: v.optional(v.strictObject({ from: time, until: time, count })),
  updatedAt: time,
});
export type JobRunAnswer = v.InferOutput<typeof jobRun>;

/** `failures`: runs that died in a row. `nextAt`: not there if it is paused or over. */
export const job = named("Job", {
  name: v.string(),
  builtIn: v.literal(false),
  schedule: v.union([
    v.strictObject({ cron: v.string() }),
    v.strictObject({ every: v.string() }),
    v.strictObject({ at: time }),
  ]),
  timeZone: v.string(),
  target: v.union([
    v.strictObject({ url: v.string() }),
    v.strictObject({ queue: v.string() }),
    v.strictObject({ service: v.string(), method: v.string() }),
  ]),
  payload: v.optional(v.pipe(v.unknown(), v.description("Any JSON value."))),
  timeoutMs: count,
  overlap: v.picklist(overlaps),
  retries: v.strictObject({ max: count, backoff: v.string() }),
  missed: v.picklist(missedPolicies),
  graceMs: count,
  pausedAt: v.optional(time),
  nextAt: v.optional(time),
  failures: count,
  lastRun: v.optional(jobRun),
  previousSecretUntil: v.optional(time),
  createdAt: time,
  updatedAt: time,
});
export type JobAnswer = v.InferOutput<typeof job>;

/** A task of this release. `mayPause`: those that repair or delete cannot be paused. */
export const builtInTask = named("BuiltInTask", {
  name: v.string(),
  builtIn: v.literal(true),
  schedule: v.strictObject({ cron: v.string() }),
  timeZone: v.literal("UTC"),
  timeoutMs: count,
  graceMs: count,
  overlap: v.picklist(["skip", "allow"]),
  mayPause: v.boolean(),
  pausedAt: v.optional(time),
  nextAt: time,
  lastRun: v.optional(jobRun),
});
export type BuiltInTaskAnswer = v.InferOutput<typeof builtInTask>;

export const jobParams = { name: { schema: jobName, names: "job" } };

export const runParams = {
  ...jobParams,
  runId: {
    schema: v.pipe(v.string(), v.regex(/^job_[0-9a-f]{32}\.(\d{1,15}|r[0-9a-f]{32})$/)),
    names: "run",
  },
};

export const pageQuery = v.strictObject(pageOf.entries);
export const replayFilter = v.strictObject({
  since: v.optional(timestamp),
  until: v.optional(timestamp),
});
