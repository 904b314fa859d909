import type { Failure } from "../http/failure.ts";
import { ok, type Result } from "../lib/base/result.ts";
import { validate } from "../lib/worker/validate.ts";
import { brandOf } from "./brand.ts";
import type { Sender, Submission } from "./outbox.ts";
import { emailRequest, messageOf, type EmailRequest } from "./schemas.ts";
import { sender, unsubscribeSettings, type EmailVariables } from "./settings.ts";
import { offersUnsubscribe } from "./unsubscribe.ts";

/**
 * Checks an email and renders it: the same for HTTP, RPC and queue.
 *
 * @param input what `POST /api/emails` takes
 * @returns `invalid` with the fields that are wrong, or `misconfigured` with the variable that this
 *   email would need
 */
export function submissionOf(
  env: EmailVariables,
  input: unknown,
  who: Omit<Sender, "from">,
  now: number,
): Result<Submission, Extract<Failure, { tag: "invalid" | "misconfigured" }>> {
  const request = validate(emailRequest, input);
  return request.ok ? submissionFrom(env, request.value, who, now) : request;
}

/** The same for a request that was validated already. */
export function submissionFrom(
  env: EmailVariables,
  request: EmailRequest,
  who: Omit<Sender, "from">,
  now: number,
): Result<Submission, Extract<Failure, { tag: "invalid" | "misconfigured" }>> {
  const message = messageOf(request, brandOf(env), now);
  if (!message.ok) return message;
  const links = offersUnsubscribe(message.value.category) ? unsubscribeSettings(env) : ok(null);
  if (!links.ok) return links;
  const from = sender(env);
  if (!from.ok) return from;
  return ok({
    request,
    message: message.value,
    sender: { ...who, from: from.value },
  });
}
