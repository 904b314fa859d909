import { WRITE_TIMEOUT_MS } from "../database/write.ts";
import { within } from "../lib/base/deadline.ts";
import type { Result } from "../lib/base/result.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { validate } from "../lib/worker/validate.ts";
import { answerTo, type Acceptance, type Accepted } from "./accept-answer.ts";
import { submittedOf } from "./outbox.ts";
import { emailRequest } from "./schemas.ts";
import { rereadVerdicts } from "./sql/submissions.ts";
import type { Who } from "./submission.ts";

/**
 * What became of an email that its Idempotency-Key accepted before, for a repeat that can no longer
 * be rendered: its template has changed, or is gone.
 *
 * @param input what `POST /api/emails` takes
 * @returns null if there is no such email, or no answer of D1
 */
export async function findRepeat(
  db: D1Database,
  input: unknown,
  who: Who,
  now: number,
): Promise<Result<Accepted, Acceptance> | null> {
  if (who.idempotencyKey === undefined) return null;
  const read = validate(emailRequest, input);
  if (!read.ok || read.value.template === undefined) return null;
  const { onUnknown, sendAt } = read.value;
  const message = { to: "", subject: "", onUnknown, ...(sendAt !== undefined && { sendAt }) };
  const sender = { ...who, from: "", named: null };
  const email = await submittedOf({ request: read.value, message, sender }, now);
  try {
    const [verdict] = await within(WRITE_TIMEOUT_MS, rereadVerdicts(db, [email], now));
    return verdict?.tag === "replayed" ? answerTo({ ...email, message }, verdict, now) : null;
  } catch (error) {
    log("warn", "email.repeat_unread", describeError(error));
    return null;
  }
}
