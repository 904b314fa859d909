import { problemOf } from "../http/problem.ts";
import { pluralize } from "../lib/base/pluralize.ts";
import { acceptEmails, SYSTEM_TENANT, type Outbox } from "./outbox.ts";
import type { Given } from "./schemas.ts";
import type { EmailVariables } from "./settings.ts";
import { submissionOf, templatesIn, type Who } from "./submission.ts";
import { templatesInDatabase } from "./templates/in-database.ts";
import { logUnusable, noTemplates, type StoredTemplates } from "./templates/named.ts";

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
  const templates = await templatesFor(outbox, emails);
  const submissions = emails.flatMap(({ key, email }) => {
    const who = { tenant: SYSTEM_TENANT, idempotencyKey: key };
    const submission = systemSubmission(env, email, who, { now, templates });
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

/** Without an answer of D1 they are sent with the built-in templates, or not at all. */
async function templatesFor(outbox: Outbox, emails: SystemEmail[]): Promise<StoredTemplates> {
  const names = templatesIn(emails.map(({ email }) => email));
  const read = await templatesInDatabase(outbox.db)(SYSTEM_TENANT, names);
  return read.ok ? read.value : noTemplates;
}

/** A stored template that cannot be used must not keep the email from being sent. */
function systemSubmission(
  env: EmailVariables,
  email: unknown,
  who: Who,
  given: Given,
): ReturnType<typeof submissionOf> {
  const submission = submissionOf(env, email, who, given);
  const [name] = templatesIn([email]);
  const stored = name === undefined ? null : (given.templates.get(name)?.shared ?? null);
  if (submission.ok || name === undefined || stored === null) return submission;
  const builtIn = submissionOf(env, email, who, { ...given, templates: noTemplates });
  if (builtIn.ok)
    logUnusable(
      { name, source: "shared", version: stored.version },
      problemOf(submission.error).detail,
    );
  return builtIn;
}

/** @throws Error with the first reason, if any was refused: the run must fail */
export function throwIfRefused(refused: SystemEmailsSent["refused"]): void {
  const [first] = refused;
  if (first !== undefined)
    throw new Error(
      `${pluralize(refused.length, "email")} refused, the first because ${first.reason}`,
    );
}
