import { problemOf } from "../http/problem.ts";
import { pluralize } from "../lib/base/pluralize.ts";
import { acceptEmails, type Outbox } from "./outbox.ts";
import type { EmailVariables } from "./settings.ts";
import { submissionOf } from "./submission.ts";

/** The tenant of the emails that Luna sends of itself. */
export const SYSTEM_TENANT = "system";

/**
 * An email of Luna's own: what `POST /api/emails` takes, under a key that keeps it from being sent
 * twice within a day.
 */
export type SystemEmail = { key: string; email: unknown };

/**
 * What became of emails, by their keys. `accepted`: now or before. `suppressed`: never to be sent.
 * `refused`: no valid email, or a variable is missing, and why. For the others D1 did not answer.
 */
export type SystemEmailsSent = {
  accepted: string[];
  suppressed: string[];
  refused: { key: string; reason: string }[];
};

/** Sends emails of Luna's own. One that is refused keeps no other from being sent. */
export async function sendSystemEmails(
  outbox: Outbox,
  env: EmailVariables,
  emails: SystemEmail[],
  now: number,
): Promise<SystemEmailsSent> {
  const sent: SystemEmailsSent = { accepted: [], suppressed: [], refused: [] };
  const submissions = emails.flatMap(({ key, email }) => {
    const submission = submissionOf(
      env,
      email,
      { tenant: SYSTEM_TENANT, idempotencyKey: key },
      now,
    );
    if (submission.ok) return [{ key, submission: submission.value }];
    sent.refused.push({ key, reason: problemOf(submission.error).detail });
    return [];
  });
  const answers = await acceptEmails(
    outbox,
    submissions.map(({ submission }) => submission),
    now,
  );
  for (const [n, { key }] of submissions.entries()) {
    const answer = answers[n];
    // What was accepted under this key with other words was accepted.
    if (answer?.ok === true || answer?.error.tag === "idempotency-key-reused")
      sent.accepted.push(key);
    else if (answer?.error.tag === "suppressed") sent.suppressed.push(key);
  }
  return sent;
}

/** @throws Error with the first reason, if any was refused: the run must fail */
export function throwIfRefused(refused: SystemEmailsSent["refused"]): void {
  const [first] = refused;
  if (first !== undefined)
    throw new Error(
      `${pluralize(refused.length, "email")} refused, the first because ${first.reason}`,
    );
}
