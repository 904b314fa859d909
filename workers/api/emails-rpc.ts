import * as v from "valibot";
import { acceptProduced } from "../../shared/email/producers.ts";
import type { EmailsRpc } from "../../shared/email/rpc.ts";
import { idempotencyKey, traceparent } from "../../shared/email/schemas.ts";
import { templatesInCache } from "../../shared/email/templates/published.ts";
import { newTraceId, traced, traceIdOf } from "../../shared/lib/worker/trace.ts";
import { validate } from "../../shared/lib/worker/validate.ts";
import type { ApiEnv } from "../env.ts";
import { outboxOf } from "./outbox.ts";

const sendOptions = v.strictObject({
  idempotencyKey: v.optional(idempotencyKey),
  traceparent: v.optional(traceparent),
});

/** Implements the entrypoint `Emails`. Never throws: every failure is a value with a `tag`. */
export async function sendByRpc(
  env: ApiEnv,
  message: unknown,
  options: unknown,
): ReturnType<EmailsRpc["send"]> {
  const checked = validate(sendOptions, options);
  if (!checked.ok) return checked;
  const outbox = outboxOf(env);
  const traceId = traceIdOf(checked.value.traceparent ?? "") ?? newTraceId();
  return await traced({ traceId }, () =>
    acceptProduced(
      outbox,
      env,
      {
        message,
        idempotencyKey: checked.value.idempotencyKey,
        readTemplates: templatesInCache(env),
      },
      Date.now(),
    ),
  );
}
