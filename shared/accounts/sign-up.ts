import type { Failure } from "../failure.ts";
import { renderTemplate } from "../email/templates/render.ts";
import { welcome as template } from "../email/templates/welcome.ts";
import { ring, type Outbox } from "../email/outbox.ts";
import { insertEmail } from "../email/store.ts";
import { fail, ok, type Result } from "../result.ts";
import { counters } from "../telemetry/counters.ts";
import { countTransaction } from "../telemetry/events.ts";
import { describeError, log } from "../telemetry/log.ts";
import { currentTraceId } from "../telemetry/trace.ts";
import type { NewApiKey } from "./api-key.ts";
import type { NewUser, User } from "./schemas.ts";
import { findUser, insertUser, takenField } from "./store.ts";

type SignUpFailure = Extract<Failure, { tag: "conflict" | "unavailable" | "outcome-unknown" }>;

/**
 * Creates a user with usage metrics, subscription and welcome mail in one D1 batch: all of it or nothing.
 *
 * @param from the sender of the welcome mail
 * @param intent the purge of the new names, for the same batch
 * @returns the user and the only copy of the API key
 */
export async function signUp(
  outbox: Outbox,
  user: NewUser,
  key: NewApiKey,
  from: string,
  intent: D1PreparedStatement,
  now: number,
): Promise<Result<{ user: User; apiKey: string }, SignUpFailure>> {
  const { db } = outbox;
  const emailId = crypto.randomUUID();
  const text = renderTemplate(template, user);
  const welcome = { id: emailId, tenant: "admin", from, to: user.email, onUnknown: "hold" as const, traceId: currentTraceId(), ...text };
  try {
    await db.batch([...insertUser(db, user, key, now), ...insertEmail(db, welcome, now), intent]);
  } catch (error) {
    const field = takenField(error);
    if (field !== null) {
      countTransaction("refused");
      return fail({ tag: "conflict", field });
    }
    // The reply to a write that took place can be lost: this key's hash tells whether it did.
    try {
      const written = await findUser(db, { by: "apiKeyHash", value: key.hash });
      if (written === null) {
        countTransaction("failed");
        log("error", "user.sign_up_failed", describeError(error));
        return fail({ tag: "unavailable", dependency: "database" });
      }
    } catch (readError) {
      countTransaction("unknown");
      log("error", "user.sign_up_outcome_unknown", describeError(readError));
      return fail({ tag: "outcome-unknown" });
    }
  }
  countTransaction("committed");
  counters.count("luna_emails_accepted_total", {});
  log("info", "email.accepted", { emailId });
  await ring(outbox, [{ id: emailId, generation: 1, dueAt: now }], now);
  const at = new Date(now).toISOString();
  return ok({ user: { ...user, scopes: [], apiKeyPrefix: key.prefix, createdAt: at, updatedAt: at }, apiKey: key.key });
}
