import type { EmailTransportAnswer } from "../../shared/contract/email-transports.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { feedbackSources } from "../../shared/email/feedback-sources.ts";
import { notify } from "../../shared/email/notify.ts";
import { emailPaces, type EmailPace } from "../../shared/email/paces.ts";
import { transportFeedback } from "../../shared/email/rules/feedback-sources.ts";
import { DUE_AT_ONCE, endLimits } from "../../shared/email/sql/limits.ts";
import { iso } from "../../shared/http/time.ts";
import { json, type Handler } from "./call.ts";
import { outboxOf } from "./outbox.ts";

/** How fast each transport gets emails now, and whether a limit of its provider closes it. */
export const listEmailTransports: Handler<"listEmailTransports"> = async ({ env, now }) => {
  const paces = await readDatabase(env, () => emailPaces(env.DB, env, now));
  if (!paces.ok) return paces;
  const sources = feedbackSources(env);
  return json({
    items: paces.value.map((one) => ({
      ...paceAnswer(one, now),
      feedback: transportFeedback(one.name, sources),
    })),
  });
};

/** Ends what limits made of a transport. Emails that waited for it are due at once. */
export const resetEmailTransport: Handler<"resetEmailTransport"> = async ({ params, env, now }) => {
  const ended = await writeDatabase(() => endLimits(env.DB, params.transport, now));
  if (!ended.ok) return ended;
  await notify(outboxOf(env), ended.value, now);
  const emailsDue = ended.value.length;
  return json({ name: params.transport, emailsDue, more: emailsDue === DUE_AT_ONCE });
};

const perSecond = (everyMs: number): number => Number((1_000 / everyMs).toPrecision(3));

function paceAnswer(
  { name, used, configuredMs, everyMs, slowedAt, closed }: EmailPace,
  now: number,
): Omit<EmailTransportAnswer, "feedback"> {
  return {
    name,
    used,
    ...(configuredMs !== null && { configuredPerSecond: perSecond(configuredMs) }),
    ...(everyMs !== null && { ratePerSecond: perSecond(everyMs) }),
    // What is reserved at the rate before counts as the past.
    ...(slowedAt !== null && { slowedAt: iso(Math.min(slowedAt, now)) }),
    ...(closed !== null && { closed: closedAnswer(closed) }),
  };
}

function closedAnswer({ until, by: { phase, code, text } }: NonNullable<EmailPace["closed"]>) {
  return { until: iso(until), by: { phase, ...(code !== undefined && { code }), text } };
}
