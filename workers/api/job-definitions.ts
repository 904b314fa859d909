import type { Failure } from "../../shared/http/failure.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { newUuidV7 } from "../../shared/lib/base/uuid.ts";
import { allowedTargets, refusedTarget } from "../../shared/schedule/jobs/settings.ts";
import {
  scheduleOf,
  type JobDefinition,
  type JobTarget,
} from "../../shared/schedule/rules/job-definition.ts";
import { nextJobSlot } from "../../shared/schedule/rules/job-schedule.ts";
import { retimed } from "../../shared/schedule/rules/jobs.ts";
import {
  definitionValues,
  type Job,
  type JobChange,
  type NewJob,
} from "../../shared/schedule/sql/jobs.ts";
import { checkUrl } from "../../shared/webhooks/rules/url-policy.ts";
import { encryptSecret, newSecret } from "../../shared/webhooks/secrets.ts";
import { outboundPolicy, secretsKey } from "../../shared/webhooks/settings.ts";
import type { ApiEnv } from "../env.ts";

/** What a request makes of a job: checks that need variables or the time, and secrets. */

const invalid = (path: string, message: string): { ok: false; error: Failure } =>
  fail({ tag: "invalid", errors: [{ path, message }] });

/** The target as it is stored, or `invalid` with the name of the field. */
export function checkTarget(env: ApiEnv, target: JobTarget): Result<JobTarget, Failure> {
  if ("url" in target) {
    const policy = outboundPolicy(env);
    if (!policy.ok) return policy;
    const url = checkUrl(target.url, policy.value);
    return url.ok ? ok({ url: url.value }) : invalid("target.url", url.error);
  }
  const allowed = allowedTargets(env);
  if (!allowed.ok) return allowed;
  const refused = refusedTarget(target, allowed.value);
  if (refused === null) return ok(target);
  return invalid("queue" in target ? "target.queue" : "target.method", refused);
}

/** The first slot, or `invalid` with the name of the field. */
export function firstSlot(definition: JobDefinition, now: number): Result<number, Failure> {
  const slot = nextJobSlot(scheduleOf(definition, now), now);
  if (slot !== null) return ok(slot);
  return "at" in definition.schedule
    ? invalid("schedule.at", "must be in the future")
    : invalid("schedule.cron", "never comes");
}

export async function newJobSecret(
  env: ApiEnv,
  jobId: string,
): Promise<Result<{ secret: string; encrypted: string }, Failure>> {
  const key = secretsKey(env);
  if (!key.ok) return key;
  const secret = newSecret();
  return ok({ secret, encrypted: await encryptSecret(key.value, jobId, secret) });
}

/** A job to insert, with its secret in the clear. */
export async function newJob(
  env: ApiEnv,
  name: string,
  { paused = false, ...body }: JobDefinition & { paused?: boolean | undefined },
  now: number,
): Promise<Result<{ job: NewJob; secret: string }, Failure>> {
  const target = checkTarget(env, body.target);
  if (!target.ok) return target;
  const slot = firstSlot(body, now);
  if (!slot.ok) return slot;
  const id = `job_${newUuidV7(now, 0).replaceAll("-", "")}`;
  const secret = await newJobSecret(env, id);
  if (!secret.ok) return secret;
  const job = {
    ...body,
    target: target.value,
    id,
    name,
    fromAt: now,
    nextAt: paused ? null : slot.value,
    pausedAt: paused ? now : null,
    secret: secret.value.encrypted,
  };
  return ok({ job, secret: secret.value.secret });
}

/**
 * What a change makes of a job as it was read.
 *
 * @param paused undefined: as it is
 * @returns null if it changes nothing
 */
export function changeOf(
  read: Job,
  definition: JobDefinition,
  paused: boolean | undefined,
  now: number,
): JobChange | null {
  const [schedule, timeZone] = definitionValues(definition);
  const [scheduleBefore, timeZoneBefore] = definitionValues(read);
  const isSame = schedule === scheduleBefore && timeZone === timeZoneBefore;
  const timing = retimed(
    { ...read, schedule: scheduleOf(read, read.fromAt) },
    {
      next: isSame ? null : scheduleOf(definition, now),
      isPaused: paused ?? read.pausedAt !== null,
    },
    now,
  );
  const unchanged =
    isSame &&
    timing.pausedAt === read.pausedAt &&
    JSON.stringify(definitionValues(definition)) === JSON.stringify(definitionValues(read));
  return unchanged ? null : { ...definition, ...timing };
}
