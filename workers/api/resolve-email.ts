import { writeDatabase } from "../../shared/database/write.ts";
import { notify } from "../../shared/email/notify.ts";
import { resolveUnknown } from "../../shared/email/sql/unknown.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { json, type Handler } from "./call.ts";
import { outboxOf } from "./outbox.ts";

/** Sets the outcome of an unknown or pinned email, as an operator found or decided it. */
export const resolveEmail: Handler<"resolveEmail"> = async ({ params: { id }, body, env, now }) => {
  const resolved = await writeDatabase(() => resolveUnknown(env.DB, id, body.status, now));
  if (!resolved.ok) return resolved;
  if (resolved.value === null) return fail({ tag: "not-found", what: "unknown email" });
  if (resolved.value.status === "queued")
    await notify(outboxOf(env), [{ ...resolved.value, dueAt: now }], now);
  return json(resolved.value);
};
