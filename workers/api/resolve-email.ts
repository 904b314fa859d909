import { writeDatabase } from "../../shared/database/write.ts";
import { notify } from "../../shared/email/outbox.ts";
import { resolution } from "../../shared/email/schemas.ts";
import { resolveUnknown } from "../../shared/email/sql/unknown.ts";
import { readJson } from "../../shared/http/body.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { json, type Handler } from "./call.ts";

/** An operator found out what became of an unknown mail, or decides. */
export const resolveEmail: Handler = async ({ request, params, env, now }) => {
  const wanted = await readJson(request, resolution);
  if (!wanted.ok) return wanted;
  const resolved = await writeDatabase(() =>
    resolveUnknown(env.DB, params["id"] ?? "", wanted.value.status, now),
  );
  if (!resolved.ok) return resolved;
  if (resolved.value === null) return fail({ tag: "not-found", what: "unknown email" });
  if (resolved.value.status === "queued")
    await notify({ db: env.DB, queue: env.EMAIL_QUEUE }, [{ ...resolved.value, dueAt: now }], now);
  return json(resolved.value);
};
