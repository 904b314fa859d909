import type { Failure } from "../http/failure.ts";
import type { Result } from "../lib/base/result.ts";
import type { Accepted } from "./outbox.ts";

/**
 * What other Workers may call through a service binding to the entrypoint `Emails` of `luna-api`:
 *
 *     await env.EMAILS.send({ to: "ada@example.com", template: "welcome", data: {...} }, { idempotencyKey: "welcome-ada" })
 *
 * `message` is what `POST /api/emails` takes, under the same checks and guarantees. `traceparent`
 * (W3C) makes the mail a part of its trace.
 */
export interface EmailsRpc {
  send(
    message: unknown,
    options?: { idempotencyKey?: string; traceparent?: string },
  ): Promise<Result<Accepted, Failure>>;
}
