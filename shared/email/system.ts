import type { Variables } from "../env.ts";
import type { Failure } from "../failure.ts";
import { problemOf } from "../http/problem.ts";
import { acceptEmails, type Outbox } from "./outbox.ts";
import { submissionOf } from "./submission.ts";

/** The tenant of the mails that Luna sends of itself. */
const SYSTEM_TENANT = "system";

/** A mail of Luna's own: what `POST /api/emails` takes, under a key that keeps it from being sent twice within a day. */
export type SystemMail = { key: string; mail: unknown };

/**
 * Sends mails of Luna's own.
 *
 * @returns the keys of those that are settled: accepted, now or before, or never to be sent, for their recipient is suppressed
 * @throws Error if one is no valid mail, or a variable is missing
 */
export async function sendSystemMails(outbox: Outbox, env: Variables, mails: SystemMail[], now: number): Promise<string[]> {
  const submissions = mails.map(({ key, mail }) => {
    const submission = submissionOf(env, mail, { tenant: SYSTEM_TENANT, idempotencyKey: key }, now);
    if (!submission.ok) throw new Error(problemOf(submission.error).detail);
    return submission.value;
  });
  const answers = await acceptEmails(outbox, submissions, now);
  return mails.flatMap(({ key }, n) => {
    const answer = answers[n];
    return answer === undefined || (!answer.ok && !isFinal(answer.error)) ? [] : [key];
  });
}

function isFinal({ tag }: Failure): boolean {
  return tag === "suppressed" || tag === "idempotency-key-reused";
}
